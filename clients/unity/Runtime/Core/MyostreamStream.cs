using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Threading;
using System.Threading.Tasks;

namespace Myostream
{
    /// <summary>A stream that outlives its connections: after a cut or a restart of the server it goes on where it was.</summary>
    public sealed class MyostreamStream
    {
        public const string Finished = "end"; // id of the last event of a stream that has said all
        internal static readonly HashSet<string> Restarts = new HashSet<string> { "shutdown", "reload", "restart" };

        private readonly StreamSettings settings;
        private readonly Random random = new Random();
        private double firstDelay;

        /// <summary>Give it to another stream as LastEventId, to go on from here.</summary>
        public string LastEventId { get; private set; }

        public MyostreamStream(StreamSettings settings)
        {
            this.settings = settings;
            LastEventId = settings.LastEventId;
            firstDelay = settings.FirstDelaySeconds;
        }

        /// <summary>
        /// Gives each event to `heard`, on any thread, until the last one or until cancelled. A connection that is lost
        /// is an Interrupted event; then nothing is known, and whatever follows the decision should stop.
        /// </summary>
        /// <exception cref="MyostreamException">The server refused and would again, or GiveUpSeconds are over.</exception>
        /// <exception cref="OperationCanceledException">It was cancelled.</exception>
        public async Task RunAsync(Action<StreamEvent> heard, CancellationToken cancel)
        {
            int failures = 0;
            DateTime since = DateTime.UtcNow;
            while (LastEventId != Finished)
            {
                MyostreamException failure;
                try
                {
                    await OnceAsync(heard, () => failures = 0, cancel).ConfigureAwait(false);
                    if (LastEventId == Finished) return;
                    failure = new MyostreamException("the server closed the connection", true);
                }
                catch (Exception error) when (!(error is MyostreamException) && IsOfTheNetwork(error))
                {
                    cancel.ThrowIfCancellationRequested(); // what was disposed of by that fails in many ways
                    failure = new MyostreamException($"the connection was lost: {Innermost(error).Message}", true);
                }
                catch (FormatException error)
                {
                    throw new MyostreamException($"the stream cannot be read: {error.Message}", false);
                }
                catch (MyostreamException error)
                {
                    failure = error;
                }
                if (failures == 0) since = DateTime.UtcNow;
                failures++;
                double left = settings.GiveUpSeconds - (DateTime.UtcNow - since).TotalSeconds;
                if (!failure.Passing || left <= 0) throw failure;
                double delay = Math.Min(DelayAfter(failure, failures), left);
                heard(new Interrupted { Reason = failure.Message, Attempt = failures, DelaySeconds = delay });
                await Task.Delay(TimeSpan.FromSeconds(delay), cancel).ConfigureAwait(false);
            }
        }

        private async Task OnceAsync(Action<StreamEvent> heard, Action worked, CancellationToken cancel)
        {
            using (IConnection connection = Connection())
            {
                if (!await connection.OpenAsync(LastEventId, cancel).ConfigureAwait(false))
                {
                    LastEventId = Finished;
                    return;
                }
                while (LastEventId != Finished)
                {
                    List<Said> said = await connection.NextAsync(cancel).ConfigureAwait(false);
                    if (said == null) return;
                    if (connection is SseConnection sse && sse.RetryMs >= 0) firstDelay = sse.RetryMs / 1e3;
                    foreach (Said one in said)
                    {
                        worked();
                        LastEventId = one.Id;
                        StreamEvent found = EventReader.Read(one.Json);
                        if (found is Completed over && one.Id != Finished) throw new MyostreamException($"the server ended the stream: {over.Reason}", true);
                        if (found != null) heard(found);
                    }
                }
            }
        }

        private IConnection Connection()
        {
            return settings.Transport == Transport.WebSocket ? (IConnection)new SocketConnection(settings) : new SseConnection(settings);
        }

        /// <summary>Delays double, and vary by half so that a crowd does not come at once.</summary>
        private double DelayAfter(MyostreamException failure, int failures)
        {
            double said = failure.RetryAfterSeconds ?? 0;
            if (said > 0) return said;
            double delay = Math.Min(firstDelay * Math.Pow(2, Math.Min(failures - 1, 16)), settings.LongestDelaySeconds);
            return delay * (0.5 + random.NextDouble() / 2);
        }

        private static bool IsOfTheNetwork(Exception error)
        {
            return error is IOException || error is HttpRequestException || error is WebException || error is SocketException
                || error is WebSocketException || error is ObjectDisposedException || error is OperationCanceledException;
        }

        private static Exception Innermost(Exception error)
        {
            while (error.InnerException != null) error = error.InnerException;
            return error;
        }
    }
}
