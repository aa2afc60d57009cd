"""Probes of OT Bioelettronica that dial in over Wi-Fi: Muovi, Muovi+, Sessantaquattro, Sessantaquattro+."""
