using System;
using System.Linq;
using Newtonsoft.Json.Linq;

namespace Myostream
{
    /// <summary>What can go wrong between a program and the server, in words that can be shown to its user.</summary>
    public class MyostreamException : Exception
    {
        public bool Passing; // whether the same may work later
        public double? RetryAfterSeconds;

        public MyostreamException(string message, bool passing) : base(message)
        {
            Passing = passing;
        }
    }

    /// <summary>The server said no, and why; 401 and 403 are about the key.</summary>
    public sealed class RefusedException : MyostreamException
    {
        public readonly int Status;

        private RefusedException(int status, string words, bool passing) : base(words, passing)
        {
            Status = status;
        }

        /// <summary>Returns the exception for an answer that is an error, whoever gave it.</summary>
        public static RefusedException Of(int status, string body)
        {
            JObject problem;
            try
            {
                problem = EventReader.Parse(body);
            }
            catch (FormatException) // a proxy's error page
            {
                problem = new JObject { { "detail", "not answered by the server itself" } };
            }
            return Of(status, problem);
        }

        public static RefusedException Of(int status, JObject problem)
        {
            // the server is starting, full or going, rather than of another opinion
            bool passing = new[] { 408, 425, 429, 500, 502, 504 }.Contains(status) || (status == 503 && problem["cure"] == null);
            string errors = problem["errors"] == null ? "" : $" {problem["errors"].ToString(Newtonsoft.Json.Formatting.None)}";
            return new RefusedException(status, $"{status} {problem["title"]}: {problem["detail"]}{errors}", passing);
        }
    }
}
