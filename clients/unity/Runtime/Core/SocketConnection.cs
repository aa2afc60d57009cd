using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Net.WebSockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace Myostream
{
    /// <summary>The same stream by WebSocket, GET /infer/live (docs/live.md of the server's project).</summary>
    internal sealed class SocketConnection : IConnection
    {
        private const int Ended = 1000;
        private static readonly HashSet<string> Spoken = new HashSet<string> { "frame", "state", "gesture", "completed" };

        private readonly StreamSettings settings;
        private readonly ClientWebSocket socket = new ClientWebSocket();
        private readonly byte[] buffer = new byte[65536];
        private string place = ""; // id of the last event

        public SocketConnection(StreamSettings settings)
        {
            this.settings = settings;
        }

        public async Task<bool> OpenAsync(string lastEventId, CancellationToken cancel)
        {
            place = lastEventId;
            var more = new Dictionary<string, string> { { "send", "frames,states" } };
            if (lastEventId != "") more["last_event_id"] = lastEventId;
            Uri address = settings.Address("/infer/live?" + settings.Query(more));
            var target = new UriBuilder(address) { Scheme = address.Scheme == "https" ? "wss" : "ws", Port = address.Port };
            if (settings.ApiKey != "") socket.Options.SetRequestHeader("X-API-Key", settings.ApiKey);
            try
            {
                await Waiting.Within(Done(socket.ConnectAsync(target.Uri, cancel)), settings.ConnectSeconds, cancel).ConfigureAwait(false);
            }
            catch (Exception error) when (error is WebSocketException || error is IOException || error is WebException)
            {
                throw await WhyAsync(address, error, cancel).ConfigureAwait(false);
            }
            return true;
        }

        public async Task<List<Said>> NextAsync(CancellationToken cancel)
        {
            while (true)
            {
                JObject said = await MessageAsync(cancel).ConfigureAwait(false);
                if (said == null) return null;
                string type = (string)said["type"];
                if (type == "error") throw RefusedException.Of((int?)said["status"] ?? 500, said);
                if (type == null || !Spoken.Contains(type)) continue;
                string idKey = type == "gesture" ? "event_id" : "id"; // a gesture has an id of its own
                place = (string)said[idKey] ?? place;
                said.Remove("type");
                said.Remove(idKey);
                return new List<Said> { new Said { Id = Last(said) ? MyostreamStream.Finished : place, Json = said } };
            }
        }

        public void Dispose()
        {
            socket.Dispose();
        }

        private static bool Last(JObject said)
        {
            return (string)said["status"] == "completed" && !MyostreamStream.Restarts.Contains((string)said["reason"] ?? "");
        }

        private async Task<JObject> MessageAsync(CancellationToken cancel)
        {
            using (var whole = new MemoryStream())
            {
                while (true)
                {
                    Task<WebSocketReceiveResult> read = socket.ReceiveAsync(new ArraySegment<byte>(buffer), cancel);
                    WebSocketReceiveResult part = await Waiting.Within(read, settings.IdleSeconds, cancel).ConfigureAwait(false);
                    if (part.MessageType == WebSocketMessageType.Close) return Over();
                    whole.Write(buffer, 0, part.Count);
                    if (whole.Length > SseParser.MaxEvent) throw new FormatException($"a message has more than {SseParser.MaxEvent} bytes");
                    if (part.EndOfMessage) return EventReader.Parse(Encoding.UTF8.GetString(whole.GetBuffer(), 0, (int)whole.Length));
                }
            }
        }

        private JObject Over()
        {
            int code = (int)(socket.CloseStatus ?? WebSocketCloseStatus.Empty);
            if (code == Ended) return null;
            bool passing = code == 1001 || code == 1005 || (code >= 1011 && code <= 1013);
            string why = string.IsNullOrEmpty(socket.CloseStatusDescription) ? "" : $": {socket.CloseStatusDescription}";
            throw new MyostreamException($"the server closed ({code}){why}", passing);
        }

        /// <summary>A WebSocket does not tell why it was refused; the same request without the upgrade does.</summary>
        private async Task<MyostreamException> WhyAsync(Uri address, Exception error, CancellationToken cancel)
        {
            using (HttpClient client = SseConnection.Http())
            {
                var request = new HttpRequestMessage(HttpMethod.Get, address);
                if (settings.ApiKey != "") request.Headers.Add("X-API-Key", settings.ApiKey);
                try
                {
                    HttpResponseMessage answer = await Waiting.Within(client.SendAsync(request, cancel), settings.ConnectSeconds, cancel).ConfigureAwait(false);
                    using (answer)
                    {
                        if ((int)answer.StatusCode != 426) return await SseConnection.RefusalAsync(answer, settings.ConnectSeconds, cancel).ConfigureAwait(false);
                    }
                    return new MyostreamException("no WebSocket could be opened, though the server has them: is a proxy between? Use Transport.Sse", true);
                }
                catch (Exception also) when (also is HttpRequestException || also is MyostreamException || also is IOException || also is WebException)
                {
                    return new MyostreamException($"no connection: {error.Message}", true);
                }
            }
        }

        private static async Task<bool> Done(Task task)
        {
            await task.ConfigureAwait(false);
            return true;
        }
    }
}
