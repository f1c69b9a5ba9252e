// Runs the page's own choice of who the thread is, for a caller of this machine, and says who it was inside and afterwards.
// Compiled together with the page's App_Code. Its configuration names how; its arguments are the caller ("" is nobody) and a file
// that is made inside.

using System;
using System.IO;
using System.Reflection;
using System.Security.Principal;
using System.Web;
using Whoami;

public static class Impersonation
{
    public static void Main(string[] arguments)
    {
        var context = new HttpContext(new HttpRequest("", "http://localhost/whoami", ""), new HttpResponse(TextWriter.Null));
        if (arguments[0].Length > 0)
            context.User = new WindowsPrincipal(new WindowsIdentity(arguments[0]));
        Action work = delegate
        {
            File.WriteAllText(arguments[1], "");
            Console.WriteLine(WindowsIdentity.GetCurrent().Name);
        };
        var chosen = typeof(Handler).GetMethod("AsTheThread", BindingFlags.NonPublic | BindingFlags.Static);
        try
        {
            chosen.Invoke(null, new object[] { context, work });
        }
        catch (TargetInvocationException failure)
        {
            Console.WriteLine(failure.InnerException.GetType().Name);
        }
        Console.WriteLine(WindowsIdentity.GetCurrent().Name);
    }
}
