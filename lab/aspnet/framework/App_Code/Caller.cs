// Who asked, by what IIS and the token on the thread say of them.

using System;
using System.Collections.Generic;
using System.Security.Principal;
using System.Text;
using System.Web;

namespace Whoami
{
    public sealed class Caller
    {
        private static readonly Dictionary<TokenImpersonationLevel, string> Words =
            new Dictionary<TokenImpersonationLevel, string>
            {
                { TokenImpersonationLevel.Delegation, "Delegate" },
                { TokenImpersonationLevel.Impersonation, "Impersonate" },
                { TokenImpersonationLevel.Identification, "Identify" },
                { TokenImpersonationLevel.Anonymous, "Anonymous" },
                { TokenImpersonationLevel.None, "" },
            };

        private static readonly byte[] Spnego = { 0x06, 0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x02 };

        private const string Ntlm = "NTLMSSP\0";

        public string Scheme { get; private set; }
        public string Mechanism { get; private set; }
        public string User { get; private set; }
        public string Level { get; private set; }

        /// <summary>Who an account of this machine is to others: what is built in goes out as the computer, or as nobody.</summary>
        public static string OnTheNetwork(string name)
        {
            if (name == @"NT AUTHORITY\LOCAL SERVICE")
                return "";
            return name == @"NT AUTHORITY\SYSTEM" || name == @"NT AUTHORITY\NETWORK SERVICE"
                || name.StartsWith(@"IIS APPPOOL\", StringComparison.OrdinalIgnoreCase) ? Environment.MachineName + "$" : name;
        }

        public static Caller Of(HttpContext context)
        {
            var identity = context.User == null ? null : context.User.Identity;
            if (identity == null || !identity.IsAuthenticated)
                return new Caller { Scheme = "Anonymous", Mechanism = "", User = "", Level = "" };
            var token = TokenOf(context.Request.Headers["Authorization"]);
            var mechanism = MechanismOf(token);
            var windows = identity as WindowsIdentity;
            return new Caller
            {
                Scheme = SchemeOf(identity.AuthenticationType, token, windows), Mechanism = mechanism, User = identity.Name,
                Level = windows == null ? "" : Words[windows.ImpersonationLevel],
            };
        }

        /// <summary>IIS says Negotiate for either: NTLM's signature is in its tokens, also where SPNEGO is around them.</summary>
        private static string SchemeOf(string type, byte[] token, WindowsIdentity caller)
        {
            switch (type)
            {
                case "Basic":
                case "NTLM":
                case "Kerberos":
                    return type;
                default:
                    if (token.Length > 0)
                        return Encoding.ASCII.GetString(token).Contains(Ntlm) ? "NTLM" : "Kerberos";
                    return PackageOf(caller);
            }
        }

        /// <summary>A connection that was proven before carries no token; its caller may see which package the logon came to.</summary>
        private static string PackageOf(WindowsIdentity caller)
        {
            try
            {
                using (caller.Impersonate())
                using (var again = new WindowsIdentity(caller.Token))
                    return again.AuthenticationType == "NTLM" ? "NTLM" : "Kerberos";
            }
            catch (SystemException)
            {
                return "Kerberos";
            }
        }

        /// <summary>The token of this request, or nothing.</summary>
        private static byte[] TokenOf(string header)
        {
            var parts = (header ?? "").Split(new[] { ' ' }, 2);
            if (parts.Length < 2 || parts[0].Equals("Basic", StringComparison.OrdinalIgnoreCase))
                return new byte[0];
            try
            {
                return Convert.FromBase64String(parts[1].Trim());
            }
            catch (FormatException)
            {
                return new byte[0];
            }
        }

        private static string MechanismOf(byte[] token)
        {
            if (token.Length == 0)
                return "";
            if (Encoding.ASCII.GetString(token, 0, Math.Min(Ntlm.Length, token.Length)) == Ntlm)
                return "NTLM";
            return BitConverter.ToString(token, 0, Math.Min(32, token.Length)).Contains(BitConverter.ToString(Spnego))
                ? "SPNEGO" : "Kerberos";
        }
    }
}
