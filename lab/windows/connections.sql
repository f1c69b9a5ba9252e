-- Who is connected to this server, and how each of them proved it: one JSON object a line. Text of a fixed length, because
-- sqlcmd cuts the other kind. Who asks this is left out, and times are UTC, which the server's own are not.
SET NOCOUNT ON;
SELECT CAST((
    SELECT c.session_id, s.login_name, s.original_login_name, c.auth_scheme, c.net_transport, c.encrypt_option,
           c.client_net_address, s.host_name, s.program_name,
           SWITCHOFFSET(TODATETIMEOFFSET(c.connect_time, DATEPART(TZOFFSET, SYSDATETIMEOFFSET())), '+00:00') AS connect_time
    FOR JSON PATH, WITHOUT_ARRAY_WRAPPER) AS nvarchar(4000))
FROM sys.dm_exec_connections AS c
JOIN sys.dm_exec_sessions AS s ON s.session_id = c.session_id
WHERE c.session_id <> @@SPID
ORDER BY c.connect_time;
