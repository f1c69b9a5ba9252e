"""Code that runs inside a lab machine; it knows records and codes, never a catalogue or an expectation."""
