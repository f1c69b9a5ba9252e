// Says of each line on its input what the page's own classes make of it: of `token BASE64` which mechanism and scheme it is, of
// `keytab BASE64` whose it is, of `name BASE64` who that is to others; `load` loads what asking takes, and says how much of
// SqlClient there is then.

using System.Text;
using Whoami;

for (var line = Console.ReadLine(); line is not null; line = Console.ReadLine())
{
    var (word, rest) = line.Split(' ', 2) is [var first, var second] ? (first, Convert.FromBase64String(second)) : (line, []);
    Console.WriteLine(word switch
    {
        "token" => $"{Caller.MechanismOf(rest)} {(Caller.IsNtlm(rest) ? "NTLM" : "Kerberos")}",
        "keytab" => Keytab.FirstOf(rest),
        "name" => Caller.OnTheNetwork(Encoding.UTF8.GetString(rest)),
        "load" => Loaded(),
        _ => throw new ArgumentException(line),
    });
}

static string Loaded()
{
    BackEnds.Load();
    return string.Join(' ', AppDomain.CurrentDomain.GetAssemblies().Select(each => each.GetName().Name)
        .Where(each => each is "Microsoft.Data.SqlClient" or "System.Net.Http").Order());
}
