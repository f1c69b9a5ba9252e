// The lines that a lab speaks to the page with: one JSON order in, one JSON answer out.
//
// `configure` serves other settings, on listeners of their own; connections that were open end. `log` gives what was noted
// of each request since, `forget` begins that anew.

using System.Text.Json;

namespace Whoami;

public sealed record Order
{
    public Settings? Configure { get; init; }
    public bool Log { get; init; }
    public bool Forget { get; init; }
}

public static class Orders
{
    public static async Task Follow(TextReader orders, TextWriter answers)
    {
        OnKestrel? server = null;
        while (orders.ReadLine() is { } line)
        {
            var order = JsonSerializer.Deserialize<Order>(line, Settings.Words)!;
            if (order.Configure is { } settings)
            {
                if (server is not null)
                    await server.DisposeAsync();
                server = await OnKestrel.Start(settings);
            }
            if (order.Forget)
                server?.Log.Clear();
            answers.WriteLine(JsonSerializer.Serialize(
                new { log = order.Log ? server?.Log.ToArray() : null }, Settings.Words));
            answers.Flush();
        }
        if (server is not null)
            await server.DisposeAsync();
    }
}
