// The page on IIS: who asked, who the thread and the pool are, and whom each back end sees; lab/contract says in which words.
//
// C# 5, which is what ASP.NET compiles App_Code with.

using System;
using System.Collections.Generic;
using System.Configuration;
using System.Linq;
using System.Security;
using System.Security.Principal;
using System.Web;
using System.Web.Script.Serialization;

namespace Whoami
{
    public sealed class Handler : IHttpHandler
    {
        public bool IsReusable
        {
            get { return true; }
        }

        public void ProcessRequest(HttpContext context)
        {
            var asked = (context.Request.QueryString["back_ends"] ?? "")
                .Split(new[] { ',' }, StringSplitOptions.RemoveEmptyEntries);
            var unknown = asked.FirstOrDefault(each => !BackEnds.Knows(each));
            if (unknown != null)
            {
                context.Response.StatusCode = 400;
                Write(context, new Dictionary<string, object> { { "error", "no back end is called " + unknown } });
                return;
            }
            var seen = new SortedDictionary<string, object>(StringComparer.Ordinal);
            var thread = "";
            Action work = delegate
            {
                thread = Caller.OnTheNetwork(WindowsIdentity.GetCurrent().Name);
                BackEnds.Ask(asked, seen);
            };
            var actAs = context.Request.QueryString["act_as"];
            if (string.IsNullOrEmpty(actAs))
                AsTheThread(context, work);
            else if (!AsAnother(actAs, asked, seen, work))
                thread = actAs;
            var caller = Caller.Of(context);
            Write(context, new Dictionary<string, object>
            {
                { "scheme", caller.Scheme }, { "mechanism", caller.Mechanism }, { "user", caller.User },
                { "level", caller.Level }, { "thread", thread }, { "pool", Caller.OnTheNetwork(Pool()) }, { "back_ends", seen },
            });
        }

        /// <summary>Run something as a user of the page's choice (S4U2Self, MS-SFU 3.1.5.1.1), if there is such an identity.</summary>
        private static bool AsAnother(string upn, string[] asked, IDictionary<string, object> seen, Action work)
        {
            try
            {
                using (var made = new WindowsIdentity(upn))
                    WindowsIdentity.RunImpersonated(made.AccessToken, work);
                return true;
            }
            catch (Exception failure)
            {
                if (!(failure is SecurityException || failure is UnauthorizedAccessException || failure is NotImplementedException))
                    throw;
                BackEnds.Refuse(asked, failure, seen);
                return false;
            }
        }

        /// <summary>Run something as whoever the thread is to be, by configuration or by code.</summary>
        private static void AsTheThread(HttpContext context, Action work)
        {
            var identity = context.User == null ? null : context.User.Identity as WindowsIdentity;
            var by = identity == null || !identity.IsAuthenticated ? "" : ConfigurationManager.AppSettings["impersonation"];
            switch (by)
            {
                case "RunImpersonated":
                    WindowsIdentity.RunImpersonated(identity.AccessToken, work);
                    break;
                case "Impersonate":
                    using (identity.Impersonate())
                        work();
                    break;
                default:
                    work();
                    break;
            }
        }

        /// <summary>The worker process's own identity, for which the thread goes back to it.</summary>
        private static string Pool()
        {
            if (Environment.OSVersion.Platform != PlatformID.Win32NT)
                return WindowsIdentity.GetCurrent().Name;
            using (WindowsIdentity.Impersonate(IntPtr.Zero)) // which is RevertToSelf, until it is disposed
                return WindowsIdentity.GetCurrent().Name;
        }

        private static void Write(HttpContext context, object answer)
        {
            context.Response.ContentType = "application/json";
            context.Response.Write(new JavaScriptSerializer().Serialize(answer));
        }
    }
}
