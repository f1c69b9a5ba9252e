// Asks for a page as .NET programs do: HttpClient with default credentials, and nothing else set.
//
// `client.dll URL TIMES` asks so often, on one connection if the server lets it, and prints what the last answer was. Whose
// the default credentials are, KRB5CCNAME says.

using System.Net;
using System.Net.Sockets;
using System.Text.Json;

using var client = new HttpClient(new HttpClientHandler { UseDefaultCredentials = true, UseProxy = false });
var (url, times) = (args[0], int.Parse(args[1]));
var (status, version, body) = (0, "", "");
try
{
    for (var each = 0; each < times; each++)
    {
        using var response = await client.GetAsync(url);
        (status, version) = ((int)response.StatusCode, response.Version.ToString());
        body = await response.Content.ReadAsStringAsync();
    }
}
catch (HttpRequestException failure) when (failure.InnerException is SocketException
                                           { SocketErrorCode: SocketError.HostNotFound })
{
    Console.WriteLine(JsonSerializer.Serialize(new { unasked = "NAME_NOT_RESOLVED" }));
    return;
}
Console.WriteLine(JsonSerializer.Serialize(new { status, http = version, body }));
