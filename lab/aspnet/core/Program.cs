// A page that says who asked, who its process is, and whom its back ends see; lab/contract says in which words.
//
// On Windows HTTP.sys or IIS authenticates, settings come from the environment (WHOAMI) or from whoami.json, and the page can
// act as its caller. Elsewhere
// Kestrel serves it: `whoami.dll http://*:8090` with everything left as it is, or `whoami.dll` alone, told by lines on its
// input what to serve (Orders.cs). It ends when its input does.

using Whoami;

if (OperatingSystem.IsWindows())
{
    await OnWindows.Serve(Settings.OfWindows());
    return;
}
if (args is [var address])
{
    await using var server = await OnKestrel.Start(Settings.At(new Uri(address.Replace("*", "any.example"))));
    Console.WriteLine("listening");
    Console.In.ReadToEnd();
    return;
}
await Orders.Follow(Console.In, Console.Out);
