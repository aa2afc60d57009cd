using System;

namespace Myostream
{
    /// <summary>
    /// What the hand does now, by the events of a stream. Each gesture that began ends, whatever happens: where the server
    /// is not heard, after SilenceSeconds or at once when the connection is lost. Used by one thread.
    /// </summary>
    public sealed class HandState
    {
        public const string Silence = "silence"; // reason of a release that the server did not say

        public event Action<GestureEvent> Began;
        public event Action<GestureEvent> Held;
        public event Action<GestureEvent> Ended;

        /// <summary>Without a frame or a gesture for so long, the hand counts as at rest.</summary>
        public double SilenceSeconds = 0.25;

        public GestureEvent Gesture { get; private set; } // that is held; null: none
        public string Decision { get; private set; } // name of the class; null: nothing is known
        public float Strength { get; private set; } // 0..1
        public float Intensity { get; private set; } // 0..1
        public bool Live { get; private set; } // whether the server is heard

        private double heardAt;

        /// <summary>Takes an event that came at that time, in s of any clock.</summary>
        public void Take(StreamEvent said, double now)
        {
            if (said is SignalFrame || (said is GestureEvent one && one.Phase != Phase.Release))
            {
                Live = true;
                heardAt = now;
            }
            if (said is GestureEvent gesture) Take(gesture);
            else if (said is Frame frame) Follow(frame);
            else if (said is ValueFrame values) Intensity = values.Intensity;
            else if (said is Interrupted) Rest("interrupted");
            else if (said is Completed) Rest("completed");
            else if (said is SourceChange change && change.Stalled)
            {
                Rest("stalled");
                Decision = change.DecisionLabel;
            }
        }

        /// <summary>Looks at the clock; call it every frame of the game.</summary>
        public void Tick(double now)
        {
            if (Live && now - heardAt > SilenceSeconds) Rest(Silence);
        }

        /// <summary>Ends what is held: the game stops listening.</summary>
        public void Rest(string reason)
        {
            Live = false;
            Decision = null;
            Strength = Intensity = 0;
            if (Gesture != null) End(Gesture.Released(reason));
        }

        private void Follow(Frame frame)
        {
            Decision = frame.DecisionLabel;
            Strength = frame.Strength;
            Intensity = frame.Intensity;
        }

        private void Take(GestureEvent said)
        {
            if (said.Phase == Phase.Release)
            {
                if (Gesture != null && Gesture.Id == said.Id) End(said); // else its end was told in the silence
                return;
            }
            Strength = said.Strength;
            if (Gesture != null && Gesture.Id == said.Id)
            {
                Gesture = said;
                Held?.Invoke(said);
                return;
            }
            if (Gesture != null) End(Gesture.Released("gesture"));
            Gesture = said; // one that is held still after a silence begins again
            Began?.Invoke(said);
        }

        private void End(GestureEvent said)
        {
            Gesture = null;
            Strength = 0;
            Ended?.Invoke(said);
        }
    }
}
