// The page on Kestrel: sites by port, host header and path, and Negotiate by .NET's own acceptor.
//
// Nothing here can act as its caller: WindowsIdentity and its RunImpersonated are Windows's alone. Hop 2 goes out as the process.

using System.Net;
using System.Net.Security;
using System.Security.Claims;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Whoami;

public sealed record Noted(DateTimeOffset Time, string Request, string Application, int Status, string Error, string Native);

public sealed class OnKestrel : IAsyncDisposable
{
    private readonly Settings settings;
    private readonly BackEnds backEnds;
    private readonly KerberosTrace trace;
    private readonly WebApplication app;
    private readonly string account = Keytab.Holder();

    public System.Collections.Concurrent.ConcurrentQueue<Noted> Log { get; } = new();

    public static async Task<OnKestrel> Start(Settings settings)
    {
        var server = new OnKestrel(settings);
        if (settings.Applications.Length > 0) // told of no address, Kestrel takes localhost:5000
            await server.app.StartAsync();
        return server;
    }

    private OnKestrel(Settings settings)
    {
        this.settings = settings;
        backEnds = new BackEnds(settings, account);
        trace = new KerberosTrace(settings.Trace, settings.Errors, settings.Refusals);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseShutdownTimeout(TimeSpan.Zero); // a connection that was left open ends with its configuration
        builder.WebHost.ConfigureKestrel(Listen);
        app = builder.Build();
        app.Run(Answer);
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private void Listen(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestHeadersTotalSize = settings.MaxRequestHeadersTotalSize;
        // It has to have room for them.
        kestrel.Limits.MaxRequestBufferSize = Math.Max(1 << 20, settings.MaxRequestHeadersTotalSize);
        foreach (var (address, port, secure) in settings.Applications.Select(each => (each.Address, each.Port, each.Secure)).Distinct())
        {
            kestrel.Listen(address == "*" ? IPAddress.Any : IPAddress.Parse(address), port, listener =>
            {
                listener.Protocols = HttpProtocols.Http1; // Negotiate is not for HTTP/2
                if (secure)
                    listener.UseHttps(X509Certificate2.CreateFromPemFile(settings.Certificate, settings.Key));
            });
        }
    }

    private async Task Answer(HttpContext context)
    {
        var application = Find(context);
        if (application is null)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }
        var mark = trace.Mark;
        var leg = application.Negotiate ? Acceptor.Read(context, application) : new Leg(null, null, "", null);
        var anonymous = application.Anonymous && context.Request.Headers.Authorization.Count == 0;
        if (leg.Caller is null && !anonymous)
        {
            Challenge(context, application, leg, mark);
            return;
        }
        if (leg.Answer.Length > 0)
            context.Response.Headers.WWWAuthenticate = $"{Acceptor.Scheme} {leg.Answer}";
        Note(context, application, StatusCodes.Status200OK, null);
        await context.Response.WriteAsJsonAsync(await Told(context, leg), Settings.Words);
    }

    private async Task<object> Told(HttpContext context, Leg leg)
    {
        if (context.Request.Path == "/claims")
            return Claims(leg);
        var asked = context.Request.Query["back_ends"].ToString().Split(',', StringSplitOptions.RemoveEmptyEntries);
        if (asked.FirstOrDefault(each => !backEnds.Knows(each)) is { } unknown)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return new { error = $"no back end is called {unknown}" };
        }
        if (context.Request.Query["act_as"].ToString() is { Length: > 0 })
        {
            context.Response.StatusCode = StatusCodes.Status501NotImplemented;
            return new { error = "new WindowsIdentity(upn) is Windows's alone" };
        }
        return await Page.Whoami(leg.Caller ?? Caller.Anonymous, account, () => account, asked, backEnds,
                                 work => work());
    }

    /// <summary>All that .NET knows of who asked (row B-38).</summary>
    private static object Claims(Leg leg)
    {
        if (leg is not { Identity: { } identity, Caller: { } caller })
            return new { error = "nobody in particular asked" };
        var user = new ClaimsPrincipal(identity);
        var roles = user.Identities.SelectMany(each => each.FindAll(each.RoleClaimType)).Select(each => each.Value);
        return new
        {
            scheme = caller.Scheme, user = identity.Name, authenticationType = identity.AuthenticationType, level = caller.Level,
            claims = user.Claims.Select(each => new { type = each.Type, value = each.Value }).ToArray(),
            roles = roles.ToArray(),
        };
    }

    /// <summary>The application that serves a request: exact host header before the empty one, longest path first.</summary>
    private Application? Find(HttpContext context)
    {
        var (address, port) = (context.Connection.LocalIpAddress!.MapToIPv4().ToString(), context.Connection.LocalPort);
        var (host, path) = (context.Request.Host.Host.ToLowerInvariant(), $"{context.Request.Path}/");
        var bound = settings.Applications
            .Where(each => each.Port == port && (each.Host.Length == 0 || each.Host == host)
                           && (each.Address == "*" || each.Address == address))
            .ToArray();
        var longest = bound.Select(each => each.Host.Length).DefaultIfEmpty().Max();
        return bound.Where(each => each.Host.Length == longest && path.StartsWith($"{each.Path.TrimEnd('/')}/"))
            .MaxBy(each => each.Path.Length);
    }

    private void Challenge(HttpContext context, Application application, Leg leg, long mark)
    {
        context.Response.StatusCode = StatusCodes.Status401Unauthorized;
        if (application.Negotiate)
            context.Response.Headers.WWWAuthenticate = leg.Answer.Length > 0 ? $"{Acceptor.Scheme} {leg.Answer}" : Acceptor.Scheme;
        Note(context, application, StatusCodes.Status401Unauthorized, leg.Refused is { } status
            ? trace.RefusedToken(mark) ?? (status.ToString(), status.ToString()) : null);
        if (leg.Refused is { } told && settings.Trace.Length == 0)
            Console.WriteLine($"refused: {told}");
    }

    private void Note(HttpContext context, Application application, int status, (string Name, string Native)? refusal)
    {
        Log.Enqueue(new Noted(DateTimeOffset.UtcNow, $"{context.Request.Method} {context.Request.Path}", application.Path, status,
                              refusal?.Name ?? "", refusal?.Native ?? ""));
    }
}
