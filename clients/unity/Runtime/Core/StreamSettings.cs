using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace Myostream
{
    public enum Transport { Sse, WebSocket }

    /// <summary>Which stream of which server, and how long to go on.</summary>
    public sealed class StreamSettings
    {
        public string Url = "http://127.0.0.1:8000";
        public string ApiKey = "";
        public Transport Transport = Transport.Sse;

        /// <summary>The fields of POST /infer/stream: fps, events, gesture_rules, votes, source ...</summary>
        public JObject Options = new JObject();
        public string LastEventId = ""; // go on after this event of an earlier stream
        public double IdleSeconds = 15; // silence after which a connection is dead: the server speaks every 5 s
        public double ConnectSeconds = 10;
        public double GiveUpSeconds = double.PositiveInfinity; // of failures in a row
        public double FirstDelaySeconds = 0.25;
        public double LongestDelaySeconds = 5;

        internal Uri Address(string path)
        {
            string url = Url.TrimEnd('/');
            if (!Uri.TryCreate(url + path, UriKind.Absolute, out Uri address) || (address.Scheme != "http" && address.Scheme != "https"))
            {
                throw new MyostreamException($"Url must be like http://127.0.0.1:8000, got {Url}", false);
            }
            return address;
        }

        internal string Body()
        {
            return Options.ToString(Formatting.None);
        }

        /// <summary>Returns the options as a query, with what else is asked.</summary>
        internal string Query(IDictionary<string, string> more)
        {
            var said = Options.Properties().Where(one => one.Value.Type != JTokenType.Null)
                .Select(one => new KeyValuePair<string, string>(one.Name, Text(one.Value)))
                .Concat(more);
            return string.Join("&", said.Select(one => $"{Uri.EscapeDataString(one.Key)}={Uri.EscapeDataString(one.Value)}"));
        }

        private static string Text(JToken value)
        {
            if (value.Type == JTokenType.String) return (string)value;
            if (value.Type == JTokenType.Float) return ((double)value).ToString("R", CultureInfo.InvariantCulture);
            return value.ToString(Formatting.None);
        }
    }
}
