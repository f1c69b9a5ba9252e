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

        public string Scheme { get; private set; }
        public string Mechanism { get; private set; }
        public string User { get; private set; }
        public string Level { get; private set; }

        public static Caller Of(HttpContext context)
        {
            var identity = context.User == null ? null : context.User.Identity;
            if (identity == null || !identity.IsAuthenticated)
                return new Caller { Scheme = "Anonymous", Mechanism = "", User = "", Level = "" };
            var mechanism = MechanismOf(context.Request.Headers["Authorization"]);
            var windows = identity as WindowsIdentity;
            return new Caller
            {
                Scheme = SchemeOf(identity.AuthenticationType, mechanism), Mechanism = mechanism, User = identity.Name,
                Level = windows == null ? "" : Words[windows.ImpersonationLevel],
            };
        }

        /// <summary>IIS says Negotiate for either; a token's logon session names the package that it came to.</summary>
        private static string SchemeOf(string type, string mechanism)
        {
            switch (type)
            {
                case "Basic":
                case "NTLM":
                case "Kerberos":
                    return type;
                default:
                    return mechanism == "NTLM" ? "NTLM" : "Kerberos";
            }
        }

        /// <summary>By the token of this request; a connection that was proven before has none.</summary>
        private static string MechanismOf(string header)
        {
            var parts = (header ?? "").Split(new[] { ' ' }, 2);
            if (parts.Length < 2 || parts[0].Equals("Basic", StringComparison.OrdinalIgnoreCase))
                return "";
            byte[] token;
            try
            {
                token = Convert.FromBase64String(parts[1].Trim());
            }
            catch (FormatException)
            {
                return "";
            }
            if (Encoding.ASCII.GetString(token, 0, Math.Min(7, token.Length)) == "NTLMSSP")
                return "NTLM";
            return BitConverter.ToString(token, 0, Math.Min(32, token.Length)).Contains(BitConverter.ToString(Spnego))
                ? "SPNEGO" : "Kerberos";
        }
    }
}
