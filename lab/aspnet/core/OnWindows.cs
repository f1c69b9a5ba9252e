// The page behind HTTP.sys or in IIS, where Windows authenticates and the page can act as its caller.

using System.Runtime.Versioning;
using System.Security;
using System.Security.Principal;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.HttpSys;

namespace Whoami;

[SupportedOSPlatform("windows")]
public static class OnWindows
{
    /// <summary>Serve until told to end: by HTTP.sys under the URL prefix that the settings name, else in IIS.</summary>
    public static async Task Serve(Settings settings)
    {
        var builder = WebApplication.CreateBuilder();
        if (settings.HttpSys.Length > 0)
        {
            builder.WebHost.UseHttpSys(server =>
            {
                server.UrlPrefixes.Add(settings.HttpSys);
                server.Authentication.Schemes = AuthenticationSchemes.Negotiate | AuthenticationSchemes.NTLM;
                server.Authentication.AllowAnonymous = settings.Applications.Any(each => each.Anonymous);
            });
        }
        else
        {
            builder.WebHost.UseIIS();
        }
        var app = builder.Build();
        BackEnds.Load();
        var backEnds = new BackEnds(settings, "");
        app.Run(context => Answer(context, settings, backEnds));
        await app.RunAsync();
    }

    private static async Task Answer(HttpContext context, Settings settings, BackEnds backEnds)
    {
        var asked = context.Request.Query["back_ends"].ToString().Split(',', StringSplitOptions.RemoveEmptyEntries);
        if (asked.FirstOrDefault(each => !backEnds.Knows(each)) is { } unknown)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            await context.Response.WriteAsJsonAsync(new { error = $"no back end is called {unknown}" });
            return;
        }
        var identity = context.User.Identity as WindowsIdentity;
        using var pool = WindowsIdentity.GetCurrent();
        Seen? refusal = null;
        // The identity of an upn's own making is S4U2Self (MS-SFU 3.1.5.1.1).
        var actAs = context.Request.Query["act_as"].ToString();
        using var made = actAs.Length > 0 ? Made(actAs, out refusal) : null;
        if (refusal is not null)
        {
            var seen = asked.Select(each => each.Split('.', 2)[0]).Distinct().ToDictionary(each => each, _ => refusal);
            await context.Response.WriteAsJsonAsync(
                Page.Answer(CallerOf(context, identity), Caller.OnTheNetwork(pool.Name), actAs, seen), Settings.Words);
            return;
        }
        var acting = made ?? (settings.Impersonate && identity is { IsAuthenticated: true } ? identity : null);
        Func<Func<Task>, Task> go = acting is null
            ? work => work() : work => WindowsIdentity.RunImpersonatedAsync(acting.AccessToken, work);
        await context.Response.WriteAsJsonAsync(
            await Page.Whoami(CallerOf(context, identity), Caller.OnTheNetwork(pool.Name), Itself, asked, backEnds, go), Settings.Words);
    }

    /// <summary>Who this thread is.</summary>
    private static string Itself()
    {
        using var current = WindowsIdentity.GetCurrent();
        return Caller.OnTheNetwork(current.Name);
    }

    private static WindowsIdentity? Made(string upn, out Seen? refusal)
    {
        refusal = null;
        try
        {
            return new WindowsIdentity(upn);
        }
        catch (Exception failure) when (failure is SecurityException or UnauthorizedAccessException)
        {
            refusal = Seen.Failed(failure.GetType().Name, failure.Message);
            return null;
        }
    }

    private static Caller CallerOf(HttpContext context, WindowsIdentity? identity)
    {
        if (identity is not { IsAuthenticated: true })
            return Caller.Anonymous;
        var (scheme, text) = context.Request.Headers.Authorization.ToString().Split(' ', 2) is [var first, var rest]
            ? (first, rest) : ("", "");
        var token = new byte[text.Length];
        var mechanism = Convert.TryFromBase64String(text, token, out var size) && size > 0 && scheme != "Basic"
            ? Caller.MechanismOf(token.AsSpan(0, size)) : "";
        // IIS and HTTP.sys say Negotiate for either, and hand over a token that has no level until somebody acts with it.
        var (package, level) = WindowsIdentity.RunImpersonated(identity.AccessToken, () =>
        {
            using var current = WindowsIdentity.GetCurrent();
            return (current.AuthenticationType, current.ImpersonationLevel);
        });
        var type = identity.AuthenticationType is "Kerberos" or "NTLM" or "Basic" ? identity.AuthenticationType
            : size > 0 ? Caller.IsNtlm(token.AsSpan(0, size)) ? "NTLM" : "Kerberos"
            : package is "NTLM" ? "NTLM" : "Kerberos";
        return new Caller(type, mechanism, identity.Name, Caller.Word(level));
    }
}
