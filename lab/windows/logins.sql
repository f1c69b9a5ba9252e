-- Whether an account of the domain may connect: $(account) and $(wanted) come from sqlcmd.
SET NOCOUNT ON;
IF N'$(wanted)' = N'yes' AND SUSER_ID(N'$(account)') IS NULL
    CREATE LOGIN [$(account)] FROM WINDOWS;
IF N'$(wanted)' = N'no' AND SUSER_ID(N'$(account)') IS NOT NULL
    DROP LOGIN [$(account)];
