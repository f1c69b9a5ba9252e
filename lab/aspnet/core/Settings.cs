// What a page is told: where it is served, who its process is, and which back ends it can ask.

using System.Text.Json;
using System.Text.Json.Serialization;

namespace Whoami;

/// <summary>One application on a path of a site. `Persist` is NegotiateOptions.PersistKerberosCredentials of ASP.NET Core.</summary>
public sealed record Application
{
    public string Address { get; init; } = "*";
    public int Port { get; init; } = 80;
    public string Host { get; init; } = "";
    public string Path { get; init; } = "/";
    public bool Negotiate { get; init; } = true;
    public bool Anonymous { get; init; }
    public bool Persist { get; init; }
    public bool Secure { get; init; }
}

/// <summary>A back end: `postgresql`, or one that `Where` says all of: `sqlserver` (a connection string), `share` (a folder of a
/// file server) or `page` (a URL).</summary>
public sealed record BackEnd
{
    public required string Kind { get; init; }
    public string Where { get; init; } = "";
    public string Host { get; init; } = "";
    public int Port { get; init; }
    public string Service { get; init; } = "MSSQLSvc";
}

/// <summary>Everything one process is told; who it is, it knows from its token or its keytab.</summary>
public sealed record Settings
{
    public static readonly JsonSerializerOptions Words = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    public bool Impersonate { get; init; }
    public string HttpSys { get; init; } = "";
    public Application[] Applications { get; init; } = [];
    public Dictionary<string, BackEnd> BackEnds { get; init; } = [];
    public int MaxRequestHeadersTotalSize { get; init; } = 32768; // Kestrel's own
    public string Certificate { get; init; } = "";
    public string Key { get; init; } = "";

    /// <summary>Where MIT's library writes its trace, and the names of the numbers in it: for a ticket that is asked for, and
    /// for one that is opened.</summary>
    public string Trace { get; init; } = "";
    public Dictionary<int, string> Errors { get; init; } = [];
    public Dictionary<int, string> Refusals { get; init; } = [];

    /// <summary>Parts of a database's own words, and what they come to.</summary>
    public Dictionary<string, string> LoginErrors { get; init; } = [];

    /// <summary>What IIS tells the page in its environment, else what is beside it.</summary>
    public static Settings OfWindows() => JsonSerializer.Deserialize<Settings>(
        Environment.GetEnvironmentVariable("WHOAMI")
        ?? File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "whoami.json")), Words)!;

    public static Settings At(Uri url) => new() { Applications = [new Application { Port = url.Port }] };
}
