"""One function per verb: names and files resolved, rooms called in order. Loaded lazily by `lamina`."""
