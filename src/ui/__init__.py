"""The web page for people who look at photos: Streamlit, speaking HTTP to the service and nothing else."""
