"""The plugin is an entry point of the installed package; nothing has to be loaded here."""

pytest_plugins = ["pytester"]
