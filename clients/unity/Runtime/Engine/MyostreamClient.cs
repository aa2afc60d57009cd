using System;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;
using UnityEngine;
using UnityEngine.Events;

namespace Myostream
{
    [Serializable] public sealed class GestureUnityEvent : UnityEvent<GestureEvent> { }

    [Serializable] public sealed class FrameUnityEvent : UnityEvent<SignalFrame> { }

    [Serializable] public sealed class TextUnityEvent : UnityEvent<string> { }

    /// <summary>
    /// Listens to a server while it is enabled, and tells of gestures in Update, on the main thread. While nothing is
    /// heard, Decision is null, Strength is 0, and a gesture that was held has ended.
    /// </summary>
    [AddComponentMenu("Myostream/Client")]
    public sealed class MyostreamClient : MonoBehaviour
    {
        [SerializeField] private string url = "http://127.0.0.1:8000";
        [SerializeField, Tooltip("Where the server has keys: one of the scope read")] private string apiKey = "";
        [SerializeField] private Transport transport = Transport.Sse;
        [SerializeField, Range(1, 250)] private float framesPerSecond = 30;
        [SerializeField, Tooltip("More fields of POST /infer/stream, as JSON: {\"gesture_rules\": {\"enter\": 0.9}}")] private string options = "";

        public GestureUnityEvent onGestureBegan = new GestureUnityEvent();
        public GestureUnityEvent onGestureHeld = new GestureUnityEvent();
        public GestureUnityEvent onGestureEnded = new GestureUnityEvent();
        public FrameUnityEvent onFrame = new FrameUnityEvent();
        public TextUnityEvent onTrouble = new TextUnityEvent(); // in words, for the player or the log

        private readonly EventQueue queue = new EventQueue();
        private readonly HandState hand = new HandState();
        private CancellationTokenSource leave;
        private string failure; // written by the connection's thread

        public GestureEvent Gesture => hand.Gesture; // that is held; null: none
        public string Decision => hand.Decision;
        public float Strength => hand.Strength; // 0..1
        public float Intensity => hand.Intensity; // 0..1
        public bool Live => hand.Live;

        /// <summary>Names another server; it counts when the component is enabled the next time.</summary>
        public void Connect(string server, string key = "")
        {
            url = server;
            apiKey = key;
        }

        private void Awake()
        {
            hand.Began += onGestureBegan.Invoke;
            hand.Held += onGestureHeld.Invoke;
            hand.Ended += onGestureEnded.Invoke;
        }

        private void OnEnable()
        {
            StreamSettings settings;
            try
            {
                settings = Settings();
            }
            catch (FormatException error)
            {
                Debug.LogError($"Myostream: Options is no JSON object: {error.Message}", this);
                return;
            }
            hand.SilenceSeconds = Math.Max(0.25, 3 / framesPerSecond);
            leave = new CancellationTokenSource();
            var mine = new Listener(queue, settings, leave.Token, words => failure = words);
            Task.Run(mine.RunAsync); // with no context: it must not wait for the main thread
        }

        private void OnDisable()
        {
            leave?.Cancel();
            leave = null;
            queue.Drain(_ => { });
            hand.Rest(HandState.Silence);
        }

        private void Update()
        {
            double now = Time.realtimeSinceStartupAsDouble;
            queue.Drain(said => Tell(said, now));
            hand.Tick(now);
            string words = Interlocked.Exchange(ref failure, null);
            if (words == null) return;
            hand.Rest(HandState.Silence);
            Debug.LogError($"Myostream: {words}", this);
            onTrouble.Invoke(words);
        }

        private void Tell(StreamEvent said, double now)
        {
            hand.Take(said, now);
            if (said is SignalFrame frame) onFrame.Invoke(frame);
            else if (said is Interrupted lost) onTrouble.Invoke(lost.Reason);
            else if (said is Trouble trouble) onTrouble.Invoke(trouble.Error);
        }

        private StreamSettings Settings()
        {
            JObject asked = options.Trim() == "" ? new JObject() : EventReader.Parse(options);
            if (asked["fps"] == null) asked["fps"] = framesPerSecond;
            if (asked["events"] == null) asked["events"] = true;
            return new StreamSettings { Url = url, ApiKey = apiKey, Transport = transport, Options = asked };
        }

        /// <summary>One stream; what it still says after it was left goes nowhere.</summary>
        private sealed class Listener
        {
            private readonly EventQueue queue;
            private readonly StreamSettings settings;
            private readonly CancellationToken left;
            private readonly Action<string> failed;

            public Listener(EventQueue queue, StreamSettings settings, CancellationToken left, Action<string> failed)
            {
                this.queue = queue;
                this.settings = settings;
                this.left = left;
                this.failed = failed;
            }

            public async Task RunAsync()
            {
                try
                {
                    await new MyostreamStream(settings).RunAsync(Heard, left).ConfigureAwait(false);
                }
                catch (OperationCanceledException)
                {
                    // the component was disabled
                }
                catch (Exception error)
                {
                    if (!left.IsCancellationRequested) failed(error.Message);
                }
            }

            private void Heard(StreamEvent said)
            {
                if (!left.IsCancellationRequested) queue.Add(said);
            }
        }
    }
}
