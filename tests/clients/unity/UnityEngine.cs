// As much of Unity's engine as the client uses, so that it compiles and runs without Unity. Names and signatures are
// those of Unity 2021.3.
using System;
using System.Collections.Generic;

namespace UnityEngine
{
    [AttributeUsage(AttributeTargets.Field)] public sealed class SerializeField : Attribute { }
    [AttributeUsage(AttributeTargets.Field)] public sealed class TooltipAttribute : Attribute { public TooltipAttribute(string tooltip) { } }
    [AttributeUsage(AttributeTargets.Field)] public sealed class RangeAttribute : Attribute { public RangeAttribute(float min, float max) { } }
    [AttributeUsage(AttributeTargets.Class)] public sealed class AddComponentMenu : Attribute { public AddComponentMenu(string menuName) { } }

    public class Object { }
    public class Component : Object { public readonly Transform transform = new Transform(); }
    public class Behaviour : Component { }
    public class MonoBehaviour : Behaviour { }
    public sealed class Transform { public Vector3 localScale { get; set; } }

    public struct Vector3
    {
        public float x, y, z;
        public static Vector3 one => new Vector3 { x = 1, y = 1, z = 1 };
        public static Vector3 operator *(Vector3 a, float d) => new Vector3 { x = a.x * d, y = a.y * d, z = a.z * d };
    }

    public static class Mathf
    {
        public static float MoveTowards(float current, float target, float maxDelta)
        {
            return Math.Abs(target - current) <= maxDelta ? target : current + Math.Sign(target - current) * maxDelta;
        }
    }

    public static class Time
    {
        private static readonly System.Diagnostics.Stopwatch Clock = System.Diagnostics.Stopwatch.StartNew();
        public static double realtimeSinceStartupAsDouble => Clock.Elapsed.TotalSeconds;
        public static float deltaTime => 1f / 60;
    }

    public static class Debug
    {
        public static void Log(object message) => Console.WriteLine($"log {message}");
        public static void LogError(object message, Object context) => Console.WriteLine($"error {message}");
    }
}

namespace UnityEngine.Events
{
    public delegate void UnityAction<T0>(T0 arg0);

    public class UnityEvent<T0>
    {
        private readonly List<UnityAction<T0>> calls = new List<UnityAction<T0>>();
        public void AddListener(UnityAction<T0> call) => calls.Add(call);
        public void RemoveListener(UnityAction<T0> call) => calls.Remove(call);
        public void Invoke(T0 arg0) { foreach (UnityAction<T0> call in calls.ToArray()) call(arg0); }
    }
}
