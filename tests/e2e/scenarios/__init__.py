"""The mini matrix's scenarios."""
