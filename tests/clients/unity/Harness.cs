// Asks the client for Unity what test_unity.py wants to know. Each line of stdin is a question, answered in one line:
//
//   parse HEX...             the events of a stream that comes in these pieces, as JSON, and the last id and retry
//   read JSON                the fields of a typed event, as JSON
//   hand [SECONDS JSON|tick] what HandState tells of events at these times
//   queue [JSON]             which events are drained of those that were put in
//
// `Harness stream JSON` runs a stream with those settings and prints each event; `Harness game URL KEY TRANSPORT`
// runs the component as Unity would, until stdin ends.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using System.Threading;
using Myostream;
using Newtonsoft.Json;
using Newtonsoft.Json.Converters;
using Newtonsoft.Json.Linq;

internal static class Harness
{
    private static readonly JsonSerializer Writer = JsonSerializer.Create(new JsonSerializerSettings { Converters = { new StringEnumConverter() } });

    private static int Main(string[] arguments)
    {
        if (arguments.Length > 0 && arguments[0] == "stream") return Stream(JObject.Parse(arguments[1]));
        if (arguments.Length > 0 && arguments[0] == "game") return Game(arguments[1], arguments[2], arguments[3]);
        for (string line = Console.ReadLine(); line != null; line = Console.ReadLine())
        {
            string[] words = line.Split(new[] { ' ' }, 2);
            string rest = words.Length > 1 ? words[1] : "";
            if (words[0] == "parse") Say(Parsed(rest.Split(',')));
            if (words[0] == "read") Say(Read(rest));
            if (words[0] == "hand") Say(Hand(JArray.Parse(rest)));
            if (words[0] == "queue") Say(Queue(JArray.Parse(rest)));
        }
        return 0;
    }

    private static JToken Parsed(string[] pieces)
    {
        var parser = new SseParser();
        var events = new JArray();
        foreach (string piece in pieces)
        {
            byte[] bytes = Enumerable.Range(0, piece.Length / 2).Select(k => Convert.ToByte(piece.Substring(2 * k, 2), 16)).ToArray();
            foreach (SseEvent one in parser.Feed(bytes, bytes.Length))
            {
                events.Add(new JObject { { "id", one.Id }, { "event", one.Name }, { "data", one.Data } });
            }
        }
        return new JObject { { "events", events }, { "last_event_id", parser.LastEventId }, { "retry", parser.RetryMs } };
    }

    private static JToken Read(string text)
    {
        try
        {
            StreamEvent found = EventReader.Read(EventReader.Parse(text));
            return found == null ? new JObject { { "kind", null } } : Fields(found);
        }
        catch (FormatException error)
        {
            return new JObject { { "error", error.Message } };
        }
    }

    private static JObject Fields(StreamEvent found)
    {
        JObject said = JObject.FromObject(found, Writer);
        said.Remove("Json");
        said.AddFirst(new JProperty("kind", found.GetType().Name));
        return said;
    }

    private static JToken Hand(JArray steps)
    {
        var told = new JArray();
        var hand = new HandState();
        hand.Began += one => told.Add($"began {one.Gesture} {one.Id}");
        hand.Held += one => told.Add($"held {one.Gesture} {one.Id}");
        hand.Ended += one => told.Add($"ended {one.Gesture} {one.Id} {one.Reason}");
        foreach (JToken step in steps)
        {
            double now = (double)step[0];
            if (step[1].Type == JTokenType.String && (string)step[1] == "tick") hand.Tick(now);
            else if (step[1].Type == JTokenType.String) hand.Take(new Interrupted { Reason = (string)step[1] }, now);
            else hand.Take(EventReader.Read((JObject)step[1]), now);
            told.Add($"{hand.Decision ?? "-"} {hand.Strength.ToString("R")} {(hand.Live ? "live" : "silent")}");
        }
        return told;
    }

    private static JToken Queue(JArray events)
    {
        var queue = new EventQueue();
        var producer = new Thread(() => { foreach (JToken one in events) queue.Add(EventReader.Read((JObject)one)); });
        producer.Start();
        producer.Join();
        var drained = new JArray();
        queue.Drain(one => drained.Add(one.Timestamp));
        return new JArray { drained, queue.Drain(one => { }) };
    }

    private static int Stream(JObject asked)
    {
        var settings = new StreamSettings { Options = (JObject)asked["options"], Url = (string)asked["url"] };
        settings.ApiKey = (string)asked["key"] ?? "";
        settings.LastEventId = (string)asked["last_event_id"] ?? "";
        if (asked["give_up_s"] != null) settings.GiveUpSeconds = (double)asked["give_up_s"];
        if (asked["idle_s"] != null) settings.IdleSeconds = (double)asked["idle_s"];
        settings.Transport = (Transport)Enum.Parse(typeof(Transport), (string)asked["transport"]);
        var leave = new CancellationTokenSource();
        new Thread(() => { if (Console.ReadLine() != null) leave.Cancel(); }) { IsBackground = true }.Start();
        try
        {
            new MyostreamStream(settings).RunAsync(one => Say(new JObject { { "said", one.Json }, { "read", Fields(one) } }), leave.Token).GetAwaiter().GetResult();
            return 0;
        }
        catch (MyostreamException error)
        {
            Say(new JObject { { "error", error.Message }, { "kind", error.GetType().Name }, { "passing", error.Passing } });
            return 3;
        }
        catch (OperationCanceledException)
        {
            Say(new JObject { { "cancelled", true } });
            return 4;
        }
    }

    /// <summary>Calls what Unity calls, sixty times a second on this thread, and sees that nothing is told on another.</summary>
    private static int Game(string url, string key, string transport)
    {
        var client = new MyostreamClient();
        client.Connect(url, key);
        typeof(MyostreamClient).GetField("transport", BindingFlags.NonPublic | BindingFlags.Instance).SetValue(client, Enum.Parse(typeof(Transport), transport));
        var follower = new FollowTheHand();
        typeof(FollowTheHand).GetField("client", BindingFlags.NonPublic | BindingFlags.Instance).SetValue(follower, client);
        int main = Thread.CurrentThread.ManagedThreadId;
        client.onGestureBegan.AddListener(one => Told(main, "began", one));
        client.onGestureHeld.AddListener(one => Told(main, "held", one));
        client.onGestureEnded.AddListener(one => Told(main, "ended", one));
        int frames = 0;
        client.onFrame.AddListener(one => frames += Thread.CurrentThread.ManagedThreadId == main ? 1 : -1000000);
        client.onTrouble.AddListener(words => Say(new JObject { { "trouble", words } }));
        bool over = false;
        new Thread(() => { while (Console.ReadLine() != null) { } over = true; }) { IsBackground = true }.Start();
        Call(client, "Awake");
        Call(client, "OnEnable");
        Call(follower, "OnEnable");
        while (!Volatile.Read(ref over))
        {
            Call(client, "Update");
            Call(follower, "Update");
            Thread.Sleep(16);
        }
        Call(follower, "OnDisable");
        Call(client, "OnDisable");
        Say(new JObject { { "frames", frames }, { "live", client.Live }, { "scale", follower.transform.localScale.x } });
        return 0;
    }

    private static void Told(int main, string phase, GestureEvent one)
    {
        if (Thread.CurrentThread.ManagedThreadId != main) throw new InvalidOperationException("told on another thread");
        Say(new JObject { { phase, one.Gesture }, { "id", one.Id }, { "reason", one.Reason } });
    }

    private static void Call(object component, string message)
    {
        component.GetType().GetMethod(message, BindingFlags.NonPublic | BindingFlags.Instance).Invoke(component, null);
    }

    private static void Say(JToken said)
    {
        lock (Writer)
        {
            Console.WriteLine(said.ToString(Formatting.None));
            Console.Out.Flush();
        }
    }
}
