"""What Windows machines log of one request, as Microsoft publishes the fields and as IIS and klist write them.

Each kind has something of ten minutes before as well, which is of no request of the tests.
"""

from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape, quoteattr

SECURITY = "Microsoft-Windows-Security-Auditing"
KERBEROS = "Microsoft-Windows-Security-Kerberos"
KDC = "Microsoft-Windows-Kerberos-Key-Distribution-Center"
EVENTS = "http://schemas.microsoft.com/win/2004/08/events/event"
FIELDS = "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) " \
         "sc-status sc-substatus sc-win32-status time-taken"
LOGS = r"C:\inetpub\logs"
BEFORE = timedelta(minutes=-10)
NOW = timedelta()


def at(by=NOW):
    """A moment by the clock of this host, which the models share."""
    return datetime.now(UTC) + by


def event(log, number, provider, by=NOW, message="", **data):
    """An event of a log."""
    told = "".join(f"<Data Name={quoteattr(name)}>{escape(value)}</Data>" for name, value in data.items())
    return {"log": log, "id": number, "provider": provider, "time": at(by).isoformat(), "message": message,
            "xml": f"<Event xmlns='{EVENTS}'><System><EventID>{number}</EventID></System>"
                   f"<EventData>{told}</EventData></Event>"}


def asked_of_the_kdc(number, user, service, status, encryption, by=NOW):
    """Events 4768 and 4769."""
    return event(
        "Security", number, SECURITY, by, TargetUserName=user, TargetDomainName="DOUBLEHOP.TEST", ServiceName=service,
        ServiceSid="S-1-0-0", TicketOptions="0x40810000", TicketEncryptionType=hex(encryption),
        IpAddress="::ffff:10.93.0.21", IpPort="49712", Status=hex(status),
        LogonGuid="{00000000-0000-0000-0000-000000000000}", TransmittedServices="-")


def of_a_domain_controller(user):
    """Beside the requests themselves: a wrong password, and what the KDC writes into the System log."""
    return [
        asked_of_the_kdc(4769, "of-before@DOUBLEHOP.TEST", "sqlserver", 0xD, 0xFFFFFFFF, BEFORE),
        event("Security", 4771, SECURITY, TargetUserName=user, TargetSid="S-1-5-21-1-2-3-1104",
              ServiceName="krbtgt/DOUBLEHOP.TEST", TicketOptions="0x40810010", Status="0x18", PreAuthType="2",
              IpAddress="::ffff:10.93.0.41", IpPort="49711", CertIssuerName="", CertSerialNumber="", CertThumbprint=""),
        event("System", 16, KDC, message=(
            "While processing a TGS request for the target server MSSQLSvc/sql1.doublehop.test, the account sqlserver "
            "did not have a suitable key for generating a Kerberos ticket (the missing key has an ID of 9). The "
            "requested etypes were 18. The accounts available etypes were 23 -133 -128.\r\n")),
        event("System", 27, KDC, BEFORE, message="... of-before ..."),
    ]


def error(number, name, target, by=NOW):
    """Event 3 of Kerberos: what a KDC answered somebody on this machine (LogLevel = 1)."""
    return event(
        "System", 3, KERBEROS, by, LogonSession="", ClientTime="", ServerTime="", ErrorCode=hex(number),
        ErrorMessage=name, ExtendedError="0xc00000bb KLIN(0)", ClientRealm="", ClientName="",
        ServerRealm="DOUBLEHOP.TEST", ServerName=target, TargetName=f"{target}@DOUBLEHOP.TEST", ErrorText="", File="9",
        Line="12be")


def not_opened(server, target):
    """Event 4 of Kerberos: the server could not open this client's ticket."""
    return event("System", 4, KERBEROS, Server=server, TargetRealm="DOUBLEHOP.TEST", Targetname=target,
                 ClientRealm="DOUBLEHOP.TEST", message=(
                     f"The Kerberos client received a KRB_AP_ERR_MODIFIED error from the server {server}. The target "
                     f"name used was {target}."))


def logon(user, by=NOW, **more):
    """Event 4624."""
    return event("Security", 4624, SECURITY, by, **{
        "SubjectUserSid": "S-1-0-0", "SubjectUserName": "-", "TargetUserName": user, "TargetDomainName": "DOUBLEHOP",
        "LogonType": "3", "LogonProcessName": "Kerberos", "AuthenticationPackageName": "Kerberos", "LmPackageName": "-",
        "TransmittedServices": "-", "IpAddress": "10.93.0.41", "IpPort": "49710", "ImpersonationLevel": "%%1833",
        **more})


def iis(*answers):
    """A day's log of a site: status, substatus and win32 status of each answer."""
    old = f"{at(BEFORE):%Y-%m-%d %H:%M:%S} 10.93.0.21 GET /of-before - 80 - 10.93.0.41 - - 200 0 0 15"
    lines = [f"{at():%Y-%m-%d %H:%M:%S} 10.93.0.21 GET /whoami back_ends=sql 80 - 10.93.0.41 - - {each} 15"
             for each in answers]
    return {rf"{LOGS}\LogFiles\W3SVC2\u_ex{at():%y%m%d}.log": "\r\n".join([
        "#Software: Microsoft Internet Information Services 10.0", "#Version: 1.0", f"#Fields: {FIELDS}",
        old, *lines, ""])}


def trace(url, status, code, said):
    """A failed request trace: the document's own head, and the event of the module that refused."""
    number, substatus = status.split(".")
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<?xml-stylesheet type='text/xsl' href='freb.xsl'?>
<!-- saved from url=(0014)about:internet -->
<failedRequest url="{escape(url)}" siteId="2" appPoolId="Portal" processId="4124" verb="GET" remoteUserName=""
  userName="" tokenUserName="" authenticationType="NOT_AVAILABLE" activityId="{{8000005A-0000-F900-B63F-84710C7967BB}}"
  failureReason="STATUS_CODE" statusCode="{status}" triggerStatusCode="{status}" timeTaken="15"
  xmlns:freb="http://schemas.microsoft.com/win/2006/06/iis/freb">
<Event xmlns="{EVENTS}">
 <System><Provider Name="WWW Server" Guid="{{3A2A4E84-4C21-4981-AE10-3FDA0D9B0F83}}"/><EventID>0</EventID></System>
 <EventData><Data Name="ContextId">{{8000005A-0000-F900-B63F-84710C7967BB}}</Data>
  <Data Name="ModuleName">WindowsAuthenticationModule</Data><Data Name="Notification">2</Data>
  <Data Name="HttpStatus">{number}</Data><Data Name="HttpReason">Unauthorized</Data>
  <Data Name="HttpSubStatus">{substatus}</Data><Data Name="ErrorCode">{code}</Data>
  <Data Name="ConfigExceptionInfo"></Data></EventData>
 <RenderingInfo Culture="en-US"><Opcode>MODULE_SET_RESPONSE_ERROR_STATUS</Opcode>
  <Keywords><Keyword>RequestNotifications</Keyword></Keywords>
  <freb:Description Data="Notification">AUTHENTICATE_REQUEST</freb:Description>
  <freb:Description Data="ErrorCode">{said}
 (0x{code:x})</freb:Description></RenderingInfo>
</Event>
</failedRequest>
"""


def traces(url, status, code, said):
    """Two of them, and when each was written."""
    new, old = (rf"{LOGS}\FailedReqLogFiles\W3SVC2\fr00000{number}.xml" for number in (2, 1))
    return ({new: trace(url, status, code, said), old: trace("http://of-before:80/", status, code, said)},
            {new: at().isoformat(), old: at(BEFORE).isoformat()})


def klist(client, *servers):
    """The tickets of one logon."""
    lines = [f"Cached Tickets: ({len(servers)})", ""]
    for number, server in enumerate(servers):
        lines += [f"#{number}>     Client: {client} @ DOUBLEHOP.TEST", f"        Server: {server} @ DOUBLEHOP.TEST",
                  "        KerbTicket Encryption Type: AES-256-CTS-HMAC-SHA1-96",
                  "        Ticket Flags 0x40a10000 -> forwardable renewable pre_authent name_canonicalize",
                  "        Start Time: 11/23/2026 17:00:00 (local)",
                  "        Session Key Type: AES-256-CTS-HMAC-SHA1-96", "        Cache Flags: 0",
                  "        Kdc Called: dc1.doublehop.test", ""]
    return lines


def sessions(pool):
    """The logons of a web server."""
    return ["", "Current LogonId is 0:0x9d83b", r"[0] Session 0 0:0x9d83b DOUBLEHOP\Administrator Kerberos:Network",
            rf"[1] Session 0 0:0x3ab99 DOUBLEHOP\{pool} Kerberos:Batch",
            r"[2] Session 0 0:0x3e4 DOUBLEHOP\WEB1$ Negotiate:Service",
            r"[3] Session 0 0:0x3e7 DOUBLEHOP\WEB1$ Negotiate:(0)"]


def connection(login, scheme, by=NOW):
    """A row of `connections.sql`."""
    return {"session_id": 52, "login_name": login, "original_login_name": login, "auth_scheme": scheme,
            "net_transport": "TCP", "encrypt_option": "TRUE", "client_net_address": "10.93.0.21", "host_name": "WEB1",
            "program_name": ".Net SqlClient Data Provider", "connect_time": at(by).isoformat().replace("+00:00", "Z")}
