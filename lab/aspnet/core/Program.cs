// A page on Kestrel that says who asked, and all that .NET knows of them: `dotnet whoami.dll http://*:8090`.
//
// Tokens are opened by .NET's own acceptor, with the keytab that KRB5_KTNAME names. It is the one that the package
// Microsoft.AspNetCore.Authentication.Negotiate is built on, too; that package can add roles which it asks a directory
// for (EnableLdap), and this page has no such thing. It writes a line when it listens and one for each token it refuses,
// and ends when its input does.

using System.Net;
using System.Net.Security;
using System.Security.Claims;
using System.Security.Principal;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;

const string Scheme = "Negotiate";
object handshake = new();

var builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders();
builder.WebHost.UseUrls(args);
var app = builder.Build();
app.Run(Answer);
await app.StartAsync();
Console.WriteLine("listening");
Console.In.ReadToEnd();
await app.StopAsync();

Task Answer(HttpContext context)
{
    if (!TokenOf(context.Request.Headers.Authorization, out var token))
        return Challenge(context, Scheme);

    // A handshake of several legs belongs to its connection.
    var kept = context.Features.GetRequiredFeature<IConnectionItemsFeature>().Items;
    var acceptor = kept.Remove(handshake, out var begun)
        ? (NegotiateAuthentication)begun!
        : new NegotiateAuthentication(new NegotiateAuthenticationServerOptions { Package = Scheme });
    var answer = acceptor.GetOutgoingBlob(token, out var status);
    switch (status)
    {
        case NegotiateAuthenticationStatusCode.ContinueNeeded:
            kept[handshake] = acceptor;
            return Challenge(context, $"{Scheme} {Convert.ToBase64String(answer!)}");
        case NegotiateAuthenticationStatusCode.Completed:
            using (acceptor)
                return Tell(context, acceptor, answer);
        default:
            acceptor.Dispose();
            Console.WriteLine($"refused: {status}");
            return Challenge(context, Scheme);
    }
}

static bool TokenOf(StringValues header, out byte[] token)
{
    var text = header.ToString();
    token = [];
    if (!text.StartsWith($"{Scheme} ", StringComparison.OrdinalIgnoreCase))
        return false;
    var decoded = new byte[text.Length];
    var whole = Convert.TryFromBase64String(text[(Scheme.Length + 1)..], decoded, out var size);
    token = decoded[..size];
    return whole;
}

static Task Challenge(HttpContext context, string value)
{
    context.Response.StatusCode = (int)HttpStatusCode.Unauthorized;
    context.Response.Headers.WWWAuthenticate = value;
    return Task.CompletedTask;
}

static Task Tell(HttpContext context, NegotiateAuthentication acceptor, byte[]? answer)
{
    if (answer is not null)
        context.Response.Headers.WWWAuthenticate = $"{Scheme} {Convert.ToBase64String(answer)}";
    IIdentity identity = acceptor.RemoteIdentity;
    context.User = new ClaimsPrincipal(identity);
    var claims = context.User.Claims.Select(each => new { type = each.Type, value = each.Value }).ToArray();
    var roles = context.User.Identities.SelectMany(each => each.FindAll(each.RoleClaimType)).Select(each => each.Value);
    return context.Response.WriteAsJsonAsync(new
    {
        scheme = acceptor.Package,
        user = identity.Name,
        authenticationType = identity.AuthenticationType,
        level = acceptor.ImpersonationLevel.ToString(),
        claims,
        roles = roles.ToArray(),
    });
}
