// Who a process is on the network, where that is whose keytab it was given (KRB5_CLIENT_KTNAME).

using System.Buffers.Binary;
using System.Text;

namespace Whoami;

public static class Keytab
{
    private const string File = "FILE:";

    /// <summary>Whose keys this process goes out with, without the realm; nobody's when it has none.</summary>
    public static string Holder()
    {
        var name = Environment.GetEnvironmentVariable("KRB5_CLIENT_KTNAME") ?? "";
        var path = name.StartsWith(File) ? name[File.Length..] : name;
        return System.IO.File.Exists(path) ? FirstOf(System.IO.File.ReadAllBytes(path)) : "";
    }

    /// <summary>The principal of the first entry, of keytab files of version 2 (MIT, The keytab binary format).</summary>
    public static string FirstOf(ReadOnlySpan<byte> file)
    {
        var rest = file[2..];
        while (rest.Length > sizeof(int))
        {
            var size = BinaryPrimitives.ReadInt32BigEndian(rest);
            rest = rest[sizeof(int)..];
            if (size > 0)
                return PrincipalOf(rest);
            rest = rest[-size..]; // a hole, where an entry was removed
        }
        return "";
    }

    private static string PrincipalOf(ReadOnlySpan<byte> entry)
    {
        var number = BinaryPrimitives.ReadUInt16BigEndian(entry);
        var parts = new string[number + 1]; // the realm comes first
        entry = entry[sizeof(ushort)..];
        for (var at = 0; at < parts.Length; at++)
        {
            var length = BinaryPrimitives.ReadUInt16BigEndian(entry);
            parts[at] = Encoding.UTF8.GetString(entry.Slice(sizeof(ushort), length));
            entry = entry[(sizeof(ushort) + length)..];
        }
        return string.Join('/', parts[1..]);
    }
}
