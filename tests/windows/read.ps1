# Reads scripts with PowerShell's own parser: errors, functions, every command with its parameters, every .NET type used.
param([string]$Folder)
$answer = [ordered]@{}
function Find-Types($Tree) {
    # By name, as what a value is made into, and as what is made.
    $Tree.FindAll({ $args[0] -is [Management.Automation.Language.TypeExpressionAst] }, $true) | ForEach-Object { $_.TypeName.FullName }
    $Tree.FindAll({ $args[0] -is [Management.Automation.Language.TypeConstraintAst] }, $true) | ForEach-Object { $_.TypeName.FullName }
    foreach ($each in $Tree.FindAll({ $args[0] -is [Management.Automation.Language.CommandAst] }, $true)) {
        if ($each.GetCommandName() -eq 'New-Object') {
            @($each.CommandElements | Select-Object -Skip 1 |
                Where-Object { $_ -isnot [Management.Automation.Language.CommandParameterAst] })[0].Extent.Text }
    }
}
foreach ($path in [IO.Directory]::GetFiles($Folder, '*.ps1') | Sort-Object) {
    $tokens = $errors = $null
    $tree = [Management.Automation.Language.Parser]::ParseFile($path, [ref]$tokens, [ref]$errors)
    $calls = foreach ($each in $tree.FindAll({ $args[0] -is [Management.Automation.Language.CommandAst] }, $true)) {
        $named = @($each.CommandElements | Where-Object { $_ -is [Management.Automation.Language.CommandParameterAst] } | ForEach-Object { $_.ParameterName })
        $values = @{}
        $rest = @($each.CommandElements | Select-Object -Skip 1)
        for ($at = 0; $at -lt $rest.Count; $at++) {
            if ($rest[$at] -is [Management.Automation.Language.CommandParameterAst] -and $at + 1 -lt $rest.Count -and
                $rest[$at + 1] -is [Management.Automation.Language.StringConstantExpressionAst]) { $values[$rest[$at].ParameterName] = $rest[$at + 1].Value }
        }
        [ordered]@{ name = $each.GetCommandName(); text = "$($each.CommandElements[0])"; line = $each.Extent.StartLineNumber; parameters = @($named); values = $values
            operator = "$($each.InvocationOperator)" }
    }
    $answer[[IO.Path]::GetFileName($path)] = [ordered]@{
        errors = @($errors | ForEach-Object { "$($_.Extent.StartLineNumber): $($_.Message)" })
        functions = @($tree.FindAll({ $args[0] -is [Management.Automation.Language.FunctionDefinitionAst] }, $true) | ForEach-Object { $_.Name })
        parameters = @(if ($tree.ParamBlock) { $tree.ParamBlock.Parameters | ForEach-Object { $_.Name.VariablePath.UserPath } })
        calls = @($calls)
        types = @(Find-Types $tree | Sort-Object -Unique)
        members = @($tree.FindAll({ $args[0] -is [Management.Automation.Language.MemberExpressionAst] -and $args[0].Static }, $true) |
            ForEach-Object { "$($_.Expression.TypeName.FullName)::$($_.Member)" } | Sort-Object -Unique)
    }
}
[Console]::Out.Write((ConvertTo-Json -InputObject $answer -Depth 6 -Compress))
