// Sets what the first paint depends on; the application takes over from there.
(() => {
  try {
    const scheme = localStorage.getItem('mantine-color-scheme-value') ?? 'auto';
    const dark =
      scheme === 'auto' ? matchMedia('(prefers-color-scheme: dark)').matches : scheme === 'dark';
    document.documentElement.dataset.mantineColorScheme = dark ? 'dark' : 'light';
  } catch {
    // A browser without storage shows the system's scheme once the application runs.
  }
})();
