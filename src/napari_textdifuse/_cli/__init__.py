"""The commands of ``textdifuse``, one module each with ``run(options) -> exit status``."""
