// Hop 2: asking a back end as whoever the thread is, and reporting who it says is there.

using System.ComponentModel;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.AccessControl;
using System.Security.Principal;
using System.Text.Json;
using Microsoft.Data.SqlClient;
using Npgsql;

namespace Whoami;

public sealed class BackEnds(Settings settings, string account)
{
    private const string Unreachable = "BACK_END_UNREACHABLE";
    private const int Seconds = 20;
    private static readonly Dictionary<uint, string> Sspi = new()
    {
        [0x80090303] = "SEC_E_TARGET_UNKNOWN", [0x8009030C] = "SEC_E_LOGON_DENIED", [0x8009030E] = "SEC_E_NO_CREDENTIALS",
        [0x80090311] = "SEC_E_NO_AUTHENTICATING_AUTHORITY", [0x80090322] = "SEC_E_WRONG_PRINCIPAL",
        [0x80090324] = "SEC_E_TIME_SKEW",
    };
    /// <summary>What a file server answers, or the way to it (winerror.h).</summary>
    private static readonly Dictionary<int, string> Win32 = new()
    {
        [3] = "ERROR_PATH_NOT_FOUND", [5] = "ERROR_ACCESS_DENIED", [53] = "ERROR_BAD_NETPATH", [64] = "ERROR_NETNAME_DELETED",
        [67] = "ERROR_BAD_NET_NAME", [1311] = "ERROR_NO_LOGON_SERVERS", [1326] = "ERROR_LOGON_FAILURE",
        [1396] = "ERROR_WRONG_TARGET_NAME",
    };
    private readonly KerberosTrace trace = new(settings.Trace, settings.Errors, settings.Refusals);

    /// <summary>Have loaded what asking takes while a thread still is its process: with a token that is good for no more than
    /// telling who somebody is, nobody opens a file.</summary>
    public static void Load()
    {
        using var nowhere = new SqlConnection("Data Source=tcp:127.0.0.1,1;Integrated Security=true;Connect Timeout=1");
        using var nobody = new HttpClient();
        foreach (Action each in (Action[])[nowhere.Open, () => nobody.Send(new(HttpMethod.Get, "http://127.0.0.1:1/"))])
        {
            try
            {
                each();
            }
            catch (Exception failure) when (failure is SqlException or HttpRequestException)
            {
                // Nobody is there, which is what was expected.
            }
        }
    }

    public bool Knows(string chain) => settings.BackEnds.ContainsKey(chain.Split('.', 2)[0]);

    /// <summary>Ask one: under "" whom it saw, under `.sql` what a page says of its own.</summary>
    public async Task<IReadOnlyDictionary<string, Seen>> Ask(string name, string[] behind)
    {
        var backEnd = settings.BackEnds[name];
        var mark = trace.Mark;
        try
        {
            return backEnd.Kind switch
            {
                "postgresql" => Alone(await AskPostgreSql(backEnd, mark)),
                "sqlserver" => Alone(await AskSqlServer(backEnd)),
                "share" => Alone(AskShare(backEnd)),
                "page" => await AskPage(backEnd, behind, mark),
                _ => throw new InvalidOperationException($"no back end is a {backEnd.Kind}"),
            };
        }
        catch (Exception failure) when (failure is NpgsqlException or SqlException or HttpRequestException or IOException
                                            or TaskCanceledException or SystemException)
        {
            return Alone(Refused(failure, mark));
        }
    }

    private static Dictionary<string, Seen> Alone(Seen seen) => new() { [""] = seen };

    /// <summary>What kept hop 2 from happening: the database's words, else the KDC's, else the network's.</summary>
    private Seen Refused(Exception failure, long mark)
    {
        var chain = new List<Exception>();
        for (Exception? each = failure; each is not null; each = each.InnerException)
            chain.Add(each);
        var words = string.Join(": ", chain.Select(each => each.Message).Distinct());
        if (chain.OfType<PostgresException>().Any())
            return Seen.Failed(Named(words) ?? "BACK_END_ERROR", words);
        // What SSPI says where Windows asks for the ticket; LSA keeps the KDC's own code to itself.
        if (chain.OfType<Win32Exception>().Select(each => Sspi.GetValueOrDefault(unchecked((uint)each.NativeErrorCode)))
                .FirstOrDefault(each => each is not null) is { } sspi)
            return Seen.Failed(sspi, words);
        if (chain.OfType<SqlException>().FirstOrDefault() is { Class: > 0 } told)
            return Seen.Failed(OfSqlServer(told), words);
        if (trace.RefusedTicket(mark) is { } refusal)
            return Seen.Failed(refusal.Name, refusal.Native);
        if (chain.Any(each => each is SocketException or TimeoutException))
            return Seen.Failed(Unreachable, words);
        // The back end refused a ticket that the KDC gave; .NET has this one word for all that it may have said.
        if (words.Contains(nameof(NegotiateAuthenticationStatusCode.GenericFailure)))
            return Seen.Failed(nameof(NegotiateAuthenticationStatusCode.GenericFailure), words);
        return Seen.Failed(Named(words) ?? OfAShare(failure) ?? failure.GetType().Name, words);
    }

    /// <summary>The driver tells what SSPI refused in words alone ("... Cannot generate SSPI context."); -2 took too long.</summary>
    private static string OfSqlServer(SqlException told) => told switch
    {
        { Number: 18456 } => "LOGIN_FAILED",
        { Number: 0, Class: 11 } => "CANNOT_GENERATE_SSPI_CONTEXT",
        { Class: >= 20 } or { Number: -2 } => Unreachable,
        _ => $"SQL_{told.Number}",
    };

    private string? Named(string words) =>
        settings.LoginErrors.FirstOrDefault(each => words.Contains(each.Key)).Value;

    private async Task<Seen> AskPostgreSql(BackEnd backEnd, long mark)
    {
        // The ticket is asked for first: only then is the KDC's answer not lost in what the driver makes of it.
        using (var asking = new NegotiateAuthentication(new NegotiateAuthenticationClientOptions
               { Package = "Kerberos", TargetName = $"{backEnd.Service}/{backEnd.Host}" }))
        {
            asking.GetOutgoingBlob([], out var status);
            if (status is not (NegotiateAuthenticationStatusCode.Completed or NegotiateAuthenticationStatusCode.ContinueNeeded))
                return trace.RefusedTicket(mark) is { } refusal
                    ? Seen.Failed(refusal.Name, refusal.Native) : Seen.Failed("NO_CREDENTIALS", status.ToString());
        }
        var how = new NpgsqlConnectionStringBuilder
        {
            Host = backEnd.Host, Port = backEnd.Port, Database = "postgres", KerberosServiceName = backEnd.Service,
            Username = account.Length == 0 ? "ANONYMOUS" : account, Pooling = false, Timeout = Seconds,
            RequireAuth = "GSS",
        };
        await using var connection = new NpgsqlConnection(how.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(
            "select principal, session_user::text, encrypted, gss_authenticated from pg_stat_gssapi"
            + " where pid = pg_backend_pid()", connection);
        await using var row = await command.ExecuteReaderAsync();
        await row.ReadAsync();
        return new Seen
        {
            Identity = row.GetString(0), Login = row.GetString(1), Encrypted = row.GetBoolean(2),
            Scheme = row.GetBoolean(3) ? "KERBEROS" : "OTHER",
        };
    }

    /// <summary>The error of Windows' own that a file's failure has for its number.</summary>
    private static string? OfAShare(Exception failure)
    {
        var code = unchecked((uint)failure.HResult);
        return failure is not (IOException or UnauthorizedAccessException) || code >> 16 != 0x8007
            ? null : Win32.GetValueOrDefault((int)(code & 0xFFFF), $"WIN32_{code & 0xFFFF}");
    }

    private static async Task<Seen> AskSqlServer(BackEnd backEnd)
    {
        var how = new SqlConnectionStringBuilder(backEnd.Where) { Pooling = false };
        await using var connection = new SqlConnection(how.ConnectionString);
        await connection.OpenAsync();
        await using var command = new SqlCommand(
            "select original_login(), user_name(), cast(connectionproperty('auth_scheme') as nvarchar(40))", connection);
        await using var row = await command.ExecuteReaderAsync();
        await row.ReadAsync();
        var scheme = row.GetString(2);
        return new Seen
        {
            Identity = row.GetString(0), Login = row.GetString(1),
            Encrypted = how.Encrypt != SqlConnectionEncryptOption.Optional, Scheme = scheme is "KERBEROS" or "NTLM" ? scheme : "OTHER",
        };
    }

    /// <summary>A file server says who is connected by whom it makes the owner of a new file.</summary>
    private static Seen AskShare(BackEnd backEnd)
    {
        if (!OperatingSystem.IsWindows())
            throw new IOException("a file share is reached as a caller on Windows alone");
        var path = Path.Combine(backEnd.Where, $"whoami-{Guid.NewGuid():N}");
        using (new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose))
        {
            var owner = new FileInfo(path).GetAccessControl(AccessControlSections.Owner).GetOwner(typeof(NTAccount));
            var name = owner?.Value ?? "";
            return new Seen { Identity = name, Login = name, Encrypted = false, Scheme = "OTHER" };
        }
    }

    private async Task<IReadOnlyDictionary<string, Seen>> AskPage(BackEnd backEnd, string[] behind, long mark)
    {
        using var client = new HttpClient(new SocketsHttpHandler
        {
            Credentials = CredentialCache.DefaultCredentials, UseProxy = false,
        }) { Timeout = TimeSpan.FromSeconds(2 * Seconds) };
        using var response = await client.GetAsync($"{backEnd.Where}?back_ends={string.Join(',', behind)}");
        var body = await response.Content.ReadAsStringAsync();
        if ((int)response.StatusCode >= 500)
            return Alone(Seen.Failed(Unreachable, $"HTTP {(int)response.StatusCode}"));
        if (response.StatusCode != HttpStatusCode.OK)
            return Alone(trace.RefusedTicket(mark) is { } refusal
                ? Seen.Failed(refusal.Name, refusal.Native)
                : Seen.Failed($"HTTP_{(int)response.StatusCode}", body));
        return Read(JsonSerializer.Deserialize<JsonElement>(body));
    }

    private static Dictionary<string, Seen> Read(JsonElement page)
    {
        string Text(string name) => page.GetProperty(name).GetString() ?? "";
        var user = Text("user");
        var seen = Alone(new Seen
        {
            Identity = user.Length == 0 ? "ANONYMOUS" : user, Login = Text("thread"), Encrypted = false,
            Scheme = Text("scheme") is "Kerberos" ? "KERBEROS" : Text("scheme") is "NTLM" ? "NTLM" : "OTHER",
        });
        foreach (var each in page.GetProperty("back_ends").EnumerateObject())
            seen[$".{each.Name}"] = each.Value.Deserialize<Seen>(Settings.Words)!;
        return seen;
    }
}
