using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace Myostream
{
    /// <summary>One event of a connection, and the id by which a later one goes on after it.</summary>
    internal struct Said
    {
        public string Id;
        public JObject Json;
    }

    /// <summary>One connection; what it says is over when NextAsync gives null.</summary>
    internal interface IConnection : IDisposable
    {
        /// <summary>Returns false where all has been said before.</summary>
        Task<bool> OpenAsync(string lastEventId, CancellationToken cancel);

        /// <summary>Returns what came, at least one event; null at the end.</summary>
        Task<List<Said>> NextAsync(CancellationToken cancel);
    }

    internal static class Waiting
    {
        /// <summary>
        /// Returns what the task gives. Not every runtime heeds a token in a read, so the wait ends here, and the
        /// connection is disposed of by whoever opened it.
        /// </summary>
        public static async Task<T> Within<T>(Task<T> task, double seconds, CancellationToken cancel)
        {
            using (var timer = CancellationTokenSource.CreateLinkedTokenSource(cancel))
            {
                Task late = Task.Delay(TimeSpan.FromSeconds(seconds), timer.Token);
                if (await Task.WhenAny(task, late).ConfigureAwait(false) == task)
                {
                    timer.Cancel();
                    return await task.ConfigureAwait(false);
                }
            }
            _ = task.ContinueWith(left => left.Exception, TaskContinuationOptions.OnlyOnFaulted); // nobody else looks at it
            cancel.ThrowIfCancellationRequested();
            throw new MyostreamException($"the server said nothing for {seconds} s", true);
        }
    }
}
