-- Who is connected to this server, and how each of them proved it: one JSON object a line. Text of a fixed length, because
-- sqlcmd cuts the other kind.
SET NOCOUNT ON;
SELECT CAST((
    SELECT c.session_id, s.login_name, s.original_login_name, c.auth_scheme, c.net_transport, c.encrypt_option,
           c.client_net_address, s.host_name, s.program_name, c.connect_time
    FOR JSON PATH, WITHOUT_ARRAY_WRAPPER) AS nvarchar(4000))
FROM sys.dm_exec_connections AS c
JOIN sys.dm_exec_sessions AS s ON s.session_id = c.session_id
ORDER BY c.connect_time;
