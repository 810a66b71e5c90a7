// Applies the theme chosen earlier before anything is painted. Without a choice the system's is used.
{
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
