"""Anomaly inspection: fit on good pictures, show what is abnormal in others, how sure, why, and what it resembles."""
