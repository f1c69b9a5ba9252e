// Negotiate as .NET accepts it on Linux: with the keytab that KRB5_KTNAME names, and no more.
//
// The package Microsoft.AspNetCore.Authentication.Negotiate is built on the same class; it can add roles which it asks a
// directory for (EnableLdap), and this has no such thing.

using System.Net.Security;
using System.Security.Principal;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Whoami;

/// <summary>What a request's token came to: an identity, a refusal, or neither while more legs are needed.</summary>
public sealed record Leg(IIdentity? Identity, Caller? Caller, string Answer, NegotiateAuthenticationStatusCode? Refused);

public static class Acceptor
{
    public const string Scheme = "Negotiate";
    private static readonly object Handshake = new();
    private static readonly object Kept = new();

    public static Leg Read(HttpContext context, Application application)
    {
        // A handshake of several legs belongs to its connection, and so does what it came to where that is kept.
        var connection = context.Features.GetRequiredFeature<IConnectionItemsFeature>().Items;
        var header = context.Request.Headers.Authorization.ToString();
        if (header.Length == 0)
            return application.Persist && connection.TryGetValue(Kept, out var kept) && kept is (Leg leg, Application its)
                   && its == application ? leg : new Leg(null, null, "", null);
        connection.Remove(Kept);
        if (!header.StartsWith($"{Scheme} ", StringComparison.OrdinalIgnoreCase))
            return new Leg(null, null, "", null);
        if (!TokenOf(header, out var token))
            return new Leg(null, null, "", NegotiateAuthenticationStatusCode.InvalidToken);
        var acceptor = connection.Remove(Handshake, out var begun)
            ? (NegotiateAuthentication)begun!
            : new NegotiateAuthentication(new NegotiateAuthenticationServerOptions { Package = Scheme });
        var blob = acceptor.GetOutgoingBlob(token, out var status);
        var answer = blob is null ? "" : Convert.ToBase64String(blob);
        if (status is NegotiateAuthenticationStatusCode.ContinueNeeded)
        {
            connection[Handshake] = acceptor;
            return new Leg(null, null, answer, null);
        }
        using (acceptor)
        {
            if (status is not NegotiateAuthenticationStatusCode.Completed)
                return new Leg(null, null, "", status);
            var identity = acceptor.RemoteIdentity;
            var caller = new Caller(acceptor.Package, Caller.MechanismOf(token), identity.Name ?? "",
                                    Caller.Word(acceptor.ImpersonationLevel));
            connection[Kept] = (new Leg(identity, caller, "", null), application);
            return new Leg(identity, caller, answer, null);
        }
    }

    private static bool TokenOf(string header, out byte[] token)
    {
        var decoded = new byte[header.Length];
        var whole = Convert.TryFromBase64String(header[(Scheme.Length + 1)..].Trim(), decoded, out var size);
        token = decoded[..size];
        return whole;
    }
}
