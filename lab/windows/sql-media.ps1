#Requires -Version 5.1
# Fetches SQL Server's setup, where nobody has put it.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$windows = Get-Field (Get-Field $Document 'topology') 'windows'
$folder = 'C:\doublehop\sql'
$media = 'C:\doublehop\sql-media'

# A folder gets its name when all of it is there; what a run that was cut short left has another one.
if (-not (Test-Path -LiteralPath "$folder\setup.exe")) {
    if (-not (Test-Path -LiteralPath $media)) {
        $edition = Get-Field $windows 'sql'
        $known = Get-Field (Get-Field $windows 'sql_editions') $edition
        $program = "C:\doublehop\sql-$edition.exe"
        Save-Program (Get-Field $known 'url') $program
        Remove-Folder "$media.part"
        New-Folder "$media.part"
        $null = Invoke-Program $program @(
            '/ACTION=Download', "/MEDIAPATH=$media.part", "/MEDIATYPE=$(Get-Field $known 'media')", '/LANGUAGE=en-US', '/QUIET')
        Move-Item -LiteralPath "$media.part" -Destination $media
        Add-Change "SQL Server's media: $edition"
    }
    $package = @(Get-ChildItem -LiteralPath $media -Filter '*.exe')[0].FullName
    Assert-Signature $package
    Remove-Folder "$folder.part"
    $null = Invoke-Program $package @('/q', "/x:$folder.part")
    Move-Item -LiteralPath "$folder.part" -Destination $folder
    Add-Change "SQL Server's setup: $folder"
}
Remove-Folder $media
Step-Answer
