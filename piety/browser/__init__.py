"""What a person uses: the line shell, and later the terminal desktop and the web pages."""
