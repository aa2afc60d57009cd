using System;
using System.Collections.Generic;
using System.Text;

namespace Myostream
{
    /// <summary>One event as the wire has it.</summary>
    public sealed class SseEvent
    {
        public string Id; // the last id that the stream has named, "" before the first
        public string Name; // "message" where it has none
        public string Data; // its data lines, joined by line feeds
    }

    /// <summary>
    /// Makes events of bytes that are cut anywhere, by the rules of the HTML standard, section 9.2.6. One for one
    /// connection; the twin of sse.py and sse.js, held to the same cases.
    /// </summary>
    public sealed class SseParser
    {
        public const int MaxEvent = 16 * 1024 * 1024; // bytes

        /// <summary>Of the last event that was whole: what to reconnect with.</summary>
        public string LastEventId { get; private set; }

        /// <summary>How long to wait before a reconnect, in ms, as the stream last said; -1: it never did.</summary>
        public int RetryMs { get; private set; } = -1;

        private readonly List<string> data = new List<string>();
        private byte[] rest = new byte[1024]; // of a line
        private int restLength;
        private int size; // of data
        private string name = "";
        private string nextId;
        private bool atStart = true;
        private bool afterCarriageReturn; // a line feed that comes next belongs to it

        public SseParser(string lastEventId = "")
        {
            LastEventId = nextId = lastEventId;
        }

        /// <summary>Returns the events that are whole now.</summary>
        /// <exception cref="FormatException">An event is larger than MaxEvent.</exception>
        public List<SseEvent> Feed(byte[] bytes, int count)
        {
            var events = new List<SseEvent>();
            int from = 0;
            for (int k = 0; k < count; k++)
            {
                byte one = bytes[k];
                if (afterCarriageReturn && one == '\n')
                {
                    afterCarriageReturn = false;
                    from = k + 1;
                    continue;
                }
                afterCarriageReturn = one == '\r';
                if (one != '\r' && one != '\n') continue;
                Keep(bytes, from, k - from);
                from = k + 1;
                SseEvent whole = Line(rest, restLength);
                restLength = 0;
                if (whole != null) events.Add(whole);
            }
            Keep(bytes, from, count - from);
            return events;
        }

        private void Keep(byte[] bytes, int from, int count)
        {
            if (size + restLength + count > MaxEvent) throw new FormatException($"an event has more than {MaxEvent} bytes");
            if (restLength + count > rest.Length) Array.Resize(ref rest, Math.Max(2 * rest.Length, restLength + count));
            Buffer.BlockCopy(bytes, from, rest, restLength, count);
            restLength += count;
        }

        private SseEvent Line(byte[] line, int length)
        {
            int start = 0;
            if (atStart)
            {
                atStart = false;
                if (length >= 3 && line[0] == 0xEF && line[1] == 0xBB && line[2] == 0xBF) start = 3;
            }
            if (start == length) return Dispatch();
            int colon = Array.IndexOf(line, (byte)':', start, length - start);
            if (colon == start) return null; // a comment
            int fieldEnd = colon < 0 ? length : colon;
            int valueStart = colon < 0 ? length : colon + 1;
            if (valueStart < length && line[valueStart] == ' ') valueStart++;
            string value = Encoding.UTF8.GetString(line, valueStart, length - valueStart);
            switch (Encoding.UTF8.GetString(line, start, fieldEnd - start))
            {
                case "data":
                    data.Add(value);
                    size += length - valueStart + 1;
                    break;
                case "event":
                    name = value;
                    break;
                case "id":
                    if (value.IndexOf('\0') < 0) nextId = value;
                    break;
                case "retry":
                    RetryMs = Milliseconds(value, RetryMs);
                    break;
            }
            return null;
        }

        private SseEvent Dispatch()
        {
            LastEventId = nextId;
            SseEvent whole = null;
            if (data.Count > 0)
            {
                whole = new SseEvent { Id = LastEventId, Name = name == "" ? "message" : name, Data = string.Join("\n", data) };
            }
            data.Clear();
            size = 0;
            name = "";
            return whole;
        }

        private static int Milliseconds(string digits, int otherwise)
        {
            if (digits == "") return otherwise;
            long value = 0;
            foreach (char digit in digits)
            {
                if (digit < '0' || digit > '9') return otherwise;
                value = Math.Min(10 * value + (digit - '0'), int.MaxValue); // what a timer can wait
            }
            return (int)value;
        }
    }
}
