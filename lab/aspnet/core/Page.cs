// The contract's answer, whoever authenticated its caller.

using System.Security.Principal;

namespace Whoami;

/// <summary>Who asked; `Principal` is empty when nobody in particular did.</summary>
public sealed record Caller(string Scheme, string Mechanism, string Principal, string Level)
{
    public static readonly Caller Anonymous = new("Anonymous", "", "", "");

    /// <summary>The contract's words for a level are those of SECURITY_IMPERSONATION_LEVEL.</summary>
    public static string Word(TokenImpersonationLevel level) => level switch
    {
        TokenImpersonationLevel.Delegation => "Delegate",
        TokenImpersonationLevel.Impersonation => "Impersonate",
        TokenImpersonationLevel.Identification => "Identify",
        TokenImpersonationLevel.Anonymous => "Anonymous",
        _ => "",
    };

    /// <summary>Who an account of this machine is to others: what is built in goes out as the computer, or as nobody.</summary>
    public static string OnTheNetwork(string name) => name switch
    {
        @"NT AUTHORITY\LOCAL SERVICE" => "",
        @"NT AUTHORITY\SYSTEM" or @"NT AUTHORITY\NETWORK SERVICE" => $"{Environment.MachineName}$",
        _ when name.StartsWith(@"IIS APPPOOL\", StringComparison.OrdinalIgnoreCase) => $"{Environment.MachineName}$",
        _ => name,
    };

    /// <summary>Whether NTLM's signature is in a token, also where SPNEGO is around it.</summary>
    public static bool IsNtlm(ReadOnlySpan<byte> token) => token.IndexOf("NTLMSSP\0"u8) >= 0;

    /// <summary>Which mechanism a token is of: its first object identifier, or NTLM's signature.</summary>
    public static string MechanismOf(ReadOnlySpan<byte> token)
    {
        if (token.StartsWith("NTLMSSP\0"u8))
            return "NTLM";
        ReadOnlySpan<byte> spnego = [0x06, 0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x02];
        return token[..Math.Min(token.Length, 32)].IndexOf(spnego) >= 0 ? "SPNEGO" : "Kerberos";
    }
}

/// <summary>What one back end came to: whom it says is connected, or the error instead.</summary>
public sealed record Seen
{
    public string? Identity { get; init; }
    public string? Login { get; init; }
    public string? Scheme { get; init; }
    public bool? Encrypted { get; init; }
    public string? Error { get; init; }
    public string? Native { get; init; }

    public static Seen Failed(string error, string native) => new() { Error = error, Native = native };
}

public static class Page
{
    /// <summary>`go` runs its argument as whoever the thread is to be; `itself` says there who that is.</summary>
    public static async Task<object> Whoami(Caller caller, string pool, Func<string> itself, string[] asked, BackEnds backEnds,
                                            Func<Func<Task>, Task> go)
    {
        var seen = new SortedDictionary<string, Seen>(StringComparer.Ordinal);
        var thread = "";
        await go(async () =>
        {
            thread = itself();
            foreach (var group in asked.GroupBy(each => each.Split('.', 2)[0]))
            {
                var behind = group.Where(each => each.Contains('.')).Select(each => each.Split('.', 2)[1]).ToArray();
                foreach (var (link, told) in await backEnds.Ask(group.Key, behind))
                    seen[group.Key + link] = told;
            }
        });
        return Answer(caller, pool, thread, seen);
    }

    public static object Answer(Caller caller, string pool, string thread, IDictionary<string, Seen> seen) => new
    {
        scheme = caller.Scheme, mechanism = caller.Mechanism, user = caller.Principal, level = caller.Level,
        thread, pool, back_ends = seen,
    };
}
