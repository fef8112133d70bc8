"""Who may call the service, how often, and from where: API keys, rates, proxies, headers, the bind."""
