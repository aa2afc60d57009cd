using System.Collections.Generic;
using Newtonsoft.Json.Linq;

namespace Myostream
{
    /// <summary>What a stream says. docs/api.md of the server's project describes every key.</summary>
    public abstract class StreamEvent
    {
        public double Timestamp; // Unix s, when the server made it
        public JObject Json; // all that it said; null of what the client itself says
    }

    public enum Phase { Onset, Hold, Release }

    public enum Variant { Single, Double, Long }

    /// <summary>A gesture began, is held, or ended. Samples are the source's, counted since it began.</summary>
    public sealed class GestureEvent : StreamEvent
    {
        public string Gesture; // name of the class
        public Phase Phase;
        public long Id; // the same from onset to release
        public Variant Variant;
        public int ClassIndex;
        public long SampleIndex; // at which it was decided
        public long BeganAt; // at which the muscle began
        public long RefinedBy; // samples from BeganAt to the end of the first window that showed it
        public float Strength; // 0..1
        public float Confidence; // 0..1
        public float HeldSeconds; // since the onset
        public string Reason; // of a release: docs/events.md; interrupted and silence are the client's own

        /// <summary>Returns the release of it where the client knows no more: nothing is heard.</summary>
        public GestureEvent Released(string reason)
        {
            var end = (GestureEvent)MemberwiseClone();
            end.Phase = Phase.Release;
            end.Reason = reason;
            end.Json = null;
            return end;
        }
    }

    /// <summary>A window of a source, whatever reads it; by itself one that no model reads.</summary>
    public class SignalFrame : StreamEvent
    {
        public int Index; // frames sent before this one
        public long SampleIndex; // up to the window's end
        public double AgeMs; // last sample acquired -> event made
        public int Dropped; // frames missed so far
        public string Truth; // the recording's own label; null: it has none
    }

    /// <summary>One window's prediction, and what was decided from it.</summary>
    public sealed class Frame : SignalFrame
    {
        public int Prediction;
        public string Label;
        public float Confidence;
        public float[] Probabilities;
        public int Decision; // what a device should follow
        public string DecisionLabel;
        public float Intensity; // of the contraction, 0..1
        public float Strength; // of the decision: 0 at rest, 1 at the person's own comfortable effort
        public bool Unknown; // none of the classes is like this window
    }

    /// <summary>One window's values: joint angles, forces, proportional control.</summary>
    public sealed class ValueFrame : SignalFrame
    {
        public Dictionary<string, float> Values; // what the model says
        public Dictionary<string, float> Output; // what a device should follow
        public float Intensity;
        public bool Clipped;
    }

    /// <summary>The source stalled (decision and output fall to rest), or recovered.</summary>
    public sealed class SourceChange : StreamEvent
    {
        public bool Stalled;
        public string SourceState;
        public string DecisionLabel; // null: no model of classes reads it
        public Dictionary<string, float> Output; // null: no model of values reads it
    }

    /// <summary>Another model reads the source: every frame after this one is its own.</summary>
    public sealed class ModelChange : StreamEvent
    {
        public string Model; // null: none any more
        public long FromSample;
        public string[] Classes; // what probabilities are of; empty of a model of values
        public string RestClass;
    }

    /// <summary>A frame could not be made; the stream goes on.</summary>
    public sealed class Trouble : StreamEvent
    {
        public string Error;
    }

    /// <summary>The last event.</summary>
    public sealed class Completed : StreamEvent
    {
        public int TotalFrames;
        public double DurationSeconds;
        public string Reason; // null: the duration asked for is over
    }

    /// <summary>Not from the server: the connection was lost, and another is tried after that delay.</summary>
    public sealed class Interrupted : StreamEvent
    {
        public string Reason;
        public int Attempt; // connections tried since the last event
        public double DelaySeconds;
    }
}
