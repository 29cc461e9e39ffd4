// The default theme without its fonts, so that a page loads only what it shows.
import DefaultTheme from "vitepress/theme-without-fonts";
import "./style.css";

export default DefaultTheme;
