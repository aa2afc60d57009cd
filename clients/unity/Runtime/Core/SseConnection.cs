using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Myostream
{
    /// <summary>A stream by one POST whose answer does not end.</summary>
    internal sealed class SseConnection : IConnection
    {
        private readonly StreamSettings settings;
        private readonly HttpClient client;
        private readonly byte[] buffer = new byte[65536];
        private HttpResponseMessage answer;
        private Stream body;
        private SseParser parser;

        public SseConnection(StreamSettings settings)
        {
            this.settings = settings;
            client = Http();
        }

        /// <summary>Returns a client that waits as long as it is let.</summary>
        public static HttpClient Http()
        {
            var handler = new HttpClientHandler { AllowAutoRedirect = false, UseProxy = false };
            return new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        }

        public int RetryMs => parser == null ? -1 : parser.RetryMs;

        public async Task<bool> OpenAsync(string lastEventId, CancellationToken cancel)
        {
            var request = new HttpRequestMessage(HttpMethod.Post, settings.Address("/infer/stream"));
            request.Content = new StringContent(settings.Body(), Encoding.UTF8, "application/json");
            request.Headers.Add("Accept", "text/event-stream");
            if (settings.ApiKey != "") request.Headers.Add("X-API-Key", settings.ApiKey);
            if (lastEventId != "") request.Headers.Add("Last-Event-ID", lastEventId);
            Task<HttpResponseMessage> asked = client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
            answer = await Waiting.Within(asked, settings.ConnectSeconds, cancel).ConfigureAwait(false);
            if (answer.StatusCode == HttpStatusCode.NoContent) return false;
            await ExpectStreamAsync(cancel).ConfigureAwait(false);
            body = await answer.Content.ReadAsStreamAsync().ConfigureAwait(false);
            parser = new SseParser(lastEventId);
            return true;
        }

        public async Task<List<Said>> NextAsync(CancellationToken cancel)
        {
            while (true)
            {
                Task<int> read = body.ReadAsync(buffer, 0, buffer.Length, cancel);
                int count = await Waiting.Within(read, settings.IdleSeconds, cancel).ConfigureAwait(false);
                if (count == 0) return null;
                var said = parser.Feed(buffer, count).Where(one => one.Name == "message")
                    .Select(one => new Said { Id = one.Id, Json = EventReader.Parse(one.Data) }).ToList();
                if (said.Count > 0) return said; // else it was a comment: the server is there
            }
        }

        public void Dispose()
        {
            answer?.Dispose(); // also ends a read that hears of no token
            client.Dispose();
        }

        private async Task ExpectStreamAsync(CancellationToken cancel)
        {
            int status = (int)answer.StatusCode;
            string type = answer.Content.Headers.ContentType?.MediaType ?? "no content type";
            if (status < 400 && type != "text/event-stream")
            {
                throw new MyostreamException($"expected text/event-stream, got {status} {type}: is the URL right?", false);
            }
            if (status >= 400) throw await RefusalAsync(answer, settings.ConnectSeconds, cancel).ConfigureAwait(false);
        }

        public static async Task<RefusedException> RefusalAsync(HttpResponseMessage answer, double seconds, CancellationToken cancel)
        {
            string text = await Waiting.Within(answer.Content.ReadAsStringAsync(), seconds, cancel).ConfigureAwait(false);
            RefusedException refused = RefusedException.Of((int)answer.StatusCode, text);
            refused.RetryAfterSeconds = answer.Headers.RetryAfter?.Delta?.TotalSeconds;
            return refused;
        }
    }
}
