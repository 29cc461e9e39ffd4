// Without its fonts: a page loads nothing but what it shows.
import DefaultTheme from "vitepress/theme-without-fonts";
import "./style.css";

export default DefaultTheme;
