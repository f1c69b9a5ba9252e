using System;
using Mono.Cecil;

/// Copies a program of Mono's with its references to one namespace led to another assembly.
static class Retarget
{
    /// Arguments: the program, the namespace, the assembly, and the copy to write.
    static void Main(string[] arguments)
    {
        var program = ModuleDefinition.ReadModule(arguments[0]);
        var assembly = new AssemblyNameReference(arguments[2], new Version());
        program.AssemblyReferences.Add(assembly);
        foreach (var type in program.GetTypeReferences())
            if (type.Namespace == arguments[1])
                type.Scope = assembly;
        program.Write(arguments[3]);
    }
}
