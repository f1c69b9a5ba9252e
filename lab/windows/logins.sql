-- Whether an account of the domain may connect: $(account) and $(wanted) come from sqlcmd. A login is known by its SID: one that
-- an earlier account of the same name has left is nobody's. Whoever is connected with it goes first.
SET NOCOUNT ON;
DECLARE @name sysname = N'$(account)', @kill nvarchar(max) = N'';
DECLARE @known bit = CASE WHEN EXISTS (
    SELECT 1 FROM sys.server_principals WHERE name = @name AND sid = SUSER_SID(@name)) THEN 1 ELSE 0 END;
IF SUSER_ID(@name) IS NOT NULL AND (N'$(wanted)' = N'no' OR @known = 0)
BEGIN
    SELECT @kill += N'KILL ' + CAST(session_id AS nvarchar(10)) + N';'
    FROM sys.dm_exec_sessions WHERE login_name = @name AND session_id <> @@SPID;
    EXEC sys.sp_executesql @kill;
    DROP LOGIN [$(account)];
END;
IF N'$(wanted)' = N'yes' AND SUSER_ID(@name) IS NULL
    CREATE LOGIN [$(account)] FROM WINDOWS;
