// Hop 2: asking a back end as whoever the thread is, and reporting who it says is there, or the exact error.

using System;
using System.Collections.Generic;
using System.ComponentModel;
using System.Configuration;
using System.Data.SqlClient;
using System.IO;
using System.Linq;
using System.Net;
using System.Security.AccessControl;
using System.Security.Principal;
using System.Web.Script.Serialization;

namespace Whoami
{
    public static class BackEnds
    {
        private const string Prefix = "back-end:";
        private const string Unreachable = "BACK_END_UNREACHABLE";
        private const int LoginFailed = 18456;
        private const int Milliseconds = 40000;

        /// <summary>SSPI's errors, which a driver carries inside its own (winerror.h).</summary>
        private static readonly Dictionary<uint, string> Sspi = new Dictionary<uint, string>
        {
            { 0x80090303, "SEC_E_TARGET_UNKNOWN" }, { 0x8009030C, "SEC_E_LOGON_DENIED" },
            { 0x8009030E, "SEC_E_NO_CREDENTIALS" }, { 0x80090311, "SEC_E_NO_AUTHENTICATING_AUTHORITY" },
            { 0x80090322, "SEC_E_WRONG_PRINCIPAL" }, { 0x80090324, "SEC_E_TIME_SKEW" },
        };

        /// <summary>What a file server answers, or the way to it (winerror.h).</summary>
        private static readonly Dictionary<int, string> Win32 = new Dictionary<int, string>
        {
            { 3, "ERROR_PATH_NOT_FOUND" }, { 5, "ERROR_ACCESS_DENIED" }, { 53, "ERROR_BAD_NETPATH" },
            { 64, "ERROR_NETNAME_DELETED" }, { 67, "ERROR_BAD_NET_NAME" }, { 1311, "ERROR_NO_LOGON_SERVERS" },
            { 1326, "ERROR_LOGON_FAILURE" }, { 1396, "ERROR_WRONG_TARGET_NAME" },
        };

        public static bool Knows(string chain)
        {
            return ConfigurationManager.AppSettings[Prefix + chain.Split('.')[0]] != null;
        }

        /// <summary>Ask every back end that is named, each once; `api.sql` is the page `api` and its own back end `sql`.</summary>
        public static void Ask(IEnumerable<string> asked, IDictionary<string, object> seen)
        {
            foreach (var group in asked.GroupBy(each => each.Split('.')[0]))
            {
                var name = group.Key;
                var behind = group.Where(each => each.Contains('.')).Select(each => each.Substring(name.Length + 1));
                var parts = ConfigurationManager.AppSettings[Prefix + name].Split(new[] { ' ' }, 2);
                try
                {
                    switch (parts[0])
                    {
                        case "sqlserver":
                            seen[name] = AskSqlServer(parts[1]);
                            break;
                        case "share":
                            seen[name] = AskShare(parts[1]);
                            break;
                        case "page":
                            AskPage(name, parts[1], behind, seen);
                            break;
                        default:
                            throw new ConfigurationErrorsException("no back end is a " + parts[0]);
                    }
                }
                catch (SqlException failure)
                {
                    seen[name] = Failed(OfSqlServer(failure), failure);
                }
                catch (WebException failure)
                {
                    seen[name] = Failed(OfAPage(failure), failure);
                }
                catch (Exception failure)
                {
                    if (!(failure is IOException || failure is SystemException))
                        throw;
                    seen[name] = Failed(OfWindows(failure) ?? OfAShare(failure) ?? failure.GetType().Name, failure);
                }
            }
        }

        /// <summary>Say of every back end that it was never asked, and why.</summary>
        public static void Refuse(IEnumerable<string> asked, Exception failure, IDictionary<string, object> seen)
        {
            foreach (var each in asked)
                seen[each.Split('.')[0]] = Failed(failure.GetType().Name, failure);
        }

        private static Dictionary<string, object> Failed(string error, Exception failure)
        {
            return new Dictionary<string, object> { { "error", error }, { "native", failure.Message } };
        }

        private static Dictionary<string, object> Seen(string identity, string login, string scheme, bool encrypted)
        {
            return new Dictionary<string, object>
            {
                { "identity", identity }, { "login", login }, { "scheme", scheme }, { "encrypted", encrypted },
            };
        }

        private static object AskSqlServer(string how)
        {
            const string question = "SELECT ORIGINAL_LOGIN(), USER_NAME(),"
                + " CAST(CONNECTIONPROPERTY('auth_scheme') AS nvarchar(40))";
            using (var connection = new SqlConnection(how))
            using (var command = new SqlCommand(question, connection))
            {
                connection.Open();
                using (var row = command.ExecuteReader())
                {
                    row.Read();
                    var scheme = row.GetString(2);
                    return Seen(row.GetString(0), row.GetString(1), scheme == "KERBEROS" || scheme == "NTLM" ? scheme : "OTHER",
                                new SqlConnectionStringBuilder(how).Encrypt);
                }
            }
        }

        private static string OfSqlServer(SqlException failure)
        {
            if (failure.Number == LoginFailed)
                return "LOGIN_FAILED";
            // The driver tells what SSPI refused in words alone: "... Cannot generate SSPI context."
            if (failure.Number == 0 && failure.Class == 11)
                return "CANNOT_GENERATE_SSPI_CONTEXT";
            // Class 20 is a connection that did not come about, and -2 one that took too long.
            return OfWindows(failure) ?? (failure.Class >= 20 || failure.Number == -2 ? Unreachable : "SQL_" + failure.Number);
        }

        /// <summary>A file server says who is connected by whom it makes the owner of a new file.</summary>
        private static object AskShare(string folder)
        {
            var path = Path.Combine(folder, "whoami-" + Guid.NewGuid().ToString("N"));
            using (new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, 1,
                                  FileOptions.DeleteOnClose))
            {
                var owner = File.GetAccessControl(path, AccessControlSections.Owner).GetOwner(typeof(NTAccount)).Value;
                return Seen(owner, owner, "OTHER", false);
            }
        }

        /// <summary>The error of Windows' own that a file's failure has for its number.</summary>
        private static string OfAShare(Exception failure)
        {
            string name;
            var code = unchecked((uint)failure.HResult);
            if (!(failure is IOException || failure is UnauthorizedAccessException) || code >> 16 != 0x8007)
                return null;
            return Win32.TryGetValue((int)(code & 0xFFFF), out name) ? name : "WIN32_" + (code & 0xFFFF);
        }

        private static void AskPage(string name, string url, IEnumerable<string> behind, IDictionary<string, object> seen)
        {
            var request = (HttpWebRequest)WebRequest.Create(url + "?back_ends=" + string.Join(",", behind));
            request.UseDefaultCredentials = true;
            request.Timeout = Milliseconds;
            request.Proxy = null;
            // On Mono the property is not there to be set, and nothing could be delegated.
            if (Environment.OSVersion.Platform == PlatformID.Win32NT)
                request.ImpersonationLevel = TokenImpersonationLevel.Delegation;
            using (var response = request.GetResponse())
            using (var reader = new StreamReader(response.GetResponseStream()))
            {
                var page = new JavaScriptSerializer().Deserialize<Dictionary<string, object>>(reader.ReadToEnd());
                var user = (string)page["user"];
                var scheme = (string)page["scheme"];
                seen[name] = Seen(user.Length == 0 ? "ANONYMOUS" : user, (string)page["thread"],
                                  scheme == "Kerberos" || scheme == "NTLM" ? scheme.ToUpperInvariant() : "OTHER", false);
                foreach (var each in (Dictionary<string, object>)page["back_ends"])
                    seen[name + "." + each.Key] = each.Value;
            }
        }

        private static string OfAPage(WebException failure)
        {
            var response = failure.Response as HttpWebResponse;
            if (response == null)
                return OfWindows(failure) ?? Unreachable;
            int status;
            using (response)
                status = (int)response.StatusCode;
            return status >= 500 ? Unreachable : "HTTP_" + status;
        }

        private static string OfWindows(Exception failure)
        {
            for (var each = failure; each != null; each = each.InnerException)
            {
                var windows = each as Win32Exception;
                string name;
                if (windows != null && Sspi.TryGetValue(unchecked((uint)windows.NativeErrorCode), out name))
                    return name;
            }
            return null;
        }
    }
}
