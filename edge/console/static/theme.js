// Before anything is painted, so that a dark page never flashes white.
{
  const theme = localStorage.getItem("farline.theme");
  if (theme) document.documentElement.dataset.theme = theme;
}
