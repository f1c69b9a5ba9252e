// Says of each token on its input, in base64, which mechanism the page takes it for, and which scheme where IIS says Negotiate;
// and of each name after "name ", who that is to others. Compiled together with the page's Caller.cs.

using System;
using System.Reflection;
using Whoami;

public static class Tokens
{
    public static void Main()
    {
        for (var line = Console.ReadLine(); line != null; line = Console.ReadLine())
        {
            if (line.StartsWith("name "))
            {
                Console.WriteLine(Caller.OnTheNetwork(line.Substring(5)));
                continue;
            }
            var token = Convert.FromBase64String(line);
            Console.WriteLine(Call("MechanismOf", token) + " " + Call("SchemeOf", "Negotiate", token, null));
        }
    }

    private static object Call(string name, params object[] arguments)
    {
        return typeof(Caller).GetMethod(name, BindingFlags.NonPublic | BindingFlags.Static).Invoke(null, arguments);
    }
}
