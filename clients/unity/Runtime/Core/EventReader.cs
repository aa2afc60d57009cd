using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace Myostream
{
    /// <summary>Makes typed events of the server's JSON.</summary>
    public static class EventReader
    {
        /// <summary>Returns the object of a text.</summary>
        /// <exception cref="FormatException">It is no JSON object.</exception>
        public static JObject Parse(string text)
        {
            try
            {
                // a name like "2026-11-30T10:00:00" stays the text that it is
                using (var reader = new JsonTextReader(new StringReader(text)) { DateParseHandling = DateParseHandling.None })
                {
                    return JObject.Load(reader);
                }
            }
            catch (JsonException error)
            {
                throw new FormatException($"not what a server says ({error.Message}): {Head(text)}");
            }
        }

        /// <summary>Returns the event; null of a kind that this client does not know.</summary>
        /// <exception cref="FormatException">A key is missing, or is something else.</exception>
        public static StreamEvent Read(JObject said)
        {
            try
            {
                StreamEvent found = Typed(said);
                if (found == null) return null;
                found.Timestamp = (double?)said["timestamp"] ?? 0;
                found.Json = said;
                return found;
            }
            catch (Exception error) when (error is FormatException || error is ArgumentException || error is InvalidCastException || error is OverflowException || error is NullReferenceException)
            {
                throw new FormatException($"an event lacks a key, or has another value there ({error.Message}): {Head(said.ToString(Formatting.None))}");
            }
        }

        private static StreamEvent Typed(JObject said)
        {
            if (said["phase"] != null) return Gesture(said);
            if (said["prediction"] != null) return Frame(said);
            if (said["values"] != null) return Values(said);
            if (said["truth"] != null) return Common(new SignalFrame(), said);
            if (said["error"] != null) return new Trouble { Error = (string)said["error"] };
            switch ((string)said["status"])
            {
                case "stalled":
                case "recovered":
                    return new SourceChange
                    {
                        Stalled = (string)said["status"] == "stalled",
                        SourceState = (string)said["source_state"],
                        DecisionLabel = (string)said["decision_label"],
                        Output = Numbers(said["output"]),
                    };
                case "model":
                    return new ModelChange
                    {
                        Model = (string)said["model"],
                        FromSample = (long)said["from_sample"],
                        Classes = (said["classes"] as JArray ?? new JArray()).Select(name => (string)name).ToArray(),
                        RestClass = (string)said["rest_class"],
                    };
                case "completed":
                    return new Completed
                    {
                        TotalFrames = (int)said["total_frames"],
                        DurationSeconds = (double)said["duration_seconds"],
                        Reason = (string)said["reason"],
                    };
                default:
                    return null;
            }
        }

        private static GestureEvent Gesture(JObject said)
        {
            return new GestureEvent
            {
                Gesture = (string)said["gesture"],
                Phase = Named<Phase>(said["phase"]),
                Id = (long)said["id"],
                Variant = Named<Variant>(said["variant"]),
                ClassIndex = (int)said["class"],
                SampleIndex = (long)said["sample_index"],
                BeganAt = (long)said["began_at"],
                RefinedBy = (long)said["refined_by"],
                Strength = (float)said["strength"],
                Confidence = (float)said["confidence"],
                HeldSeconds = (float)said["held_s"],
                Reason = (string)said["reason"],
            };
        }

        private static Frame Frame(JObject said)
        {
            return Common(
                new Frame
                {
                    Prediction = (int)said["prediction"],
                    Label = (string)said["label"],
                    Confidence = (float)said["confidence"],
                    Probabilities = said["probabilities"].Select(one => (float)one).ToArray(),
                    Decision = (int)said["decision"],
                    DecisionLabel = (string)said["decision_label"],
                    Intensity = (float)said["intensity"],
                    Strength = (float?)said["strength"] ?? 0,
                    Unknown = (bool?)said["unknown"] ?? false,
                },
                said);
        }

        private static ValueFrame Values(JObject said)
        {
            return Common(
                new ValueFrame
                {
                    Values = Numbers(said["values"]),
                    Output = Numbers(said["output"]),
                    Intensity = (float)said["intensity"],
                    Clipped = (bool?)said["clipped"] ?? false,
                },
                said);
        }

        private static TFrame Common<TFrame>(TFrame frame, JObject said) where TFrame : SignalFrame
        {
            frame.Index = (int)said["frame"];
            frame.SampleIndex = (long)said["sample_index"];
            frame.AgeMs = (double)said["age_ms"];
            frame.Dropped = (int)said["dropped"];
            frame.Truth = (string)said["truth"];
            return frame;
        }

        private static TEnum Named<TEnum>(JToken word) where TEnum : struct
        {
            string name = (string)word;
            foreach (TEnum value in Enum.GetValues(typeof(TEnum)))
            {
                if (value.ToString().ToLowerInvariant() == name) return value;
            }
            throw new InvalidCastException($"{name} is no {typeof(TEnum).Name}");
        }

        private static Dictionary<string, float> Numbers(JToken values)
        {
            if (values == null || values.Type == JTokenType.Null) return null;
            return ((JObject)values).Properties().ToDictionary(one => one.Name, one => (float)one.Value);
        }

        private static string Head(string text)
        {
            return text.Length <= 80 ? text : text.Substring(0, 80);
        }
    }
}
