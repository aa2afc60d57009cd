using System;
using System.Collections.Generic;

namespace Myostream
{
    /// <summary>
    /// Carries events from the connection's threads to the one that asks for them. Of frames that wait, the newest is
    /// kept, so that a game which stood still does not follow its past; gestures and states are all kept, in order.
    /// </summary>
    public sealed class EventQueue
    {
        private readonly object guard = new object();
        private List<StreamEvent> waiting = new List<StreamEvent>();
        private List<StreamEvent> taken = new List<StreamEvent>();

        /// <summary>Puts an event in, from any thread.</summary>
        public void Add(StreamEvent one)
        {
            lock (guard)
            {
                int last = waiting.Count - 1;
                if (one is SignalFrame && last >= 0 && waiting[last] is SignalFrame) waiting[last] = one;
                else waiting.Add(one);
            }
        }

        /// <summary>Gives what waits to `heard`, on this thread; how many that were.</summary>
        public int Drain(Action<StreamEvent> heard)
        {
            lock (guard)
            {
                List<StreamEvent> other = taken;
                taken = waiting;
                waiting = other;
            }
            int count = taken.Count;
            try
            {
                foreach (StreamEvent one in taken) heard(one);
            }
            finally
            {
                taken.Clear();
            }
            return count;
        }
    }
}
