//! A message to ntfy; a receipt or a typed error back.
