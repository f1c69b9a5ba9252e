// What MIT's library did, by its own trace (KRB5_TRACE): .NET keeps the reason of a refusal to itself.

using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Whoami;

public sealed partial class KerberosTrace(string path, IReadOnlyDictionary<int, string> errors,
                                          IReadOnlyDictionary<int, string> refusals)
{
    public long Mark => File.Exists(path) ? new FileInfo(path).Length : 0;

    private const int NoKdcReachable = -1765328228; // KRB5_KDC_UNREACH, which the library does not write down

    /// <summary>The last error since a mark that a ticket was asked for with; nothing when it was given.</summary>
    public (string Name, string Native)? RefusedTicket(long mark)
    {
        var since = Since(mark);
        if (since.Contains("Getting initial credentials") && !since.Contains("Decrypted AS reply"))
            return null; // the process itself could not sign in, so it has no credentials to ask with
        // What is not answered is asked of the primary KDC too, and there is none here.
        var asked = Request().Split(since).Skip(1).Where(each => !each.StartsWith(" (primary)")).ToArray();
        return asked.Length > 0 && !asked[^1].Contains("Received answer")
            ? (errors.GetValueOrDefault(NoKdcReachable, ""), "no answer to the last request")
            : Last(mark, errors, IsAnswer);
    }

    /// <summary>The last error since a mark that a ticket was opened with.</summary>
    public (string Name, string Native)? RefusedToken(long mark) => Last(mark, refusals, _ => true);

    private static bool IsAnswer(string line) => line.Contains("TGS request result");

    private (string, string)? Last(long mark, IReadOnlyDictionary<int, string> names, Func<string, bool> counts)
    {
        (string, string)? last = null;
        foreach (var line in Since(mark).Split('\n').Where(counts))
        {
            if (Number().Match(line) is not { Success: true } found)
                continue;
            var number = int.Parse(found.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
            last = number == 0 ? null : (names.GetValueOrDefault(number, $"UNKNOWN ({number})"), line);
        }
        return last;
    }

    private string Since(long mark)
    {
        if (!File.Exists(path))
            return "";
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        file.Seek(mark, SeekOrigin.Begin);
        return new StreamReader(file, Encoding.UTF8).ReadToEnd();
    }

    [GeneratedRegex(@"Sending request \(\d+ bytes\) to [^\s(]+")]
    private static partial Regex Request();

    [GeneratedRegex(@": (-?\d+)/")]
    private static partial Regex Number();
}
